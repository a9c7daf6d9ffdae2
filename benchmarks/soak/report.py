"""From what was measured to build/soak.json. Pure."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from benchmarks.ramp.load import Outcome, Window
from benchmarks.ramp.report import OBJECTIVE_MS, OBJECTIVE_SHARE, Verdict, percentile_ms
from benchmarks.soak.plan import Plan
from benchmarks.soak.watch import Logged, Series

MEMORY_GROWTH: Final = 0.1
MEMORY_GROWTH_BYTES: Final = 16 * 2**20
"""What the median of a process's memory may grow by between the two windows: a tenth, and the arena that an allocator
may have opened meanwhile."""

HANDLES_GROWTH: Final = 16
"""What the median of a service's open handles may grow by: clients connect anew every few seconds, so that a pod has
some more of them at one moment than at another. A handle lost with each part or each swap would be a hundred."""

_FEWEST_SAMPLES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A service's processes early in the run and at its end: medians, added up over the pods that live through both.

    Attributes:
        service: which.
        pods: how many.
        memory_bytes: resident, early and last.
        handles: open, early and last.
    """

    service: str
    pods: int
    memory_bytes: tuple[float, float]
    handles: tuple[float, float]

    @property
    def bounded(self) -> bool:
        """Whether neither grew by more than is allowed."""
        memory, handles = self.memory_bytes, self.handles
        return (
            memory[1] <= memory[0] * (1 + MEMORY_GROWTH) + self.pods * MEMORY_GROWTH_BYTES
            and handles[1] <= handles[0] + HANDLES_GROWTH
        )


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a run left, beside its load.

    Attributes:
        rollout: from when to when pods were replaced, in seconds from the start.
        swaps: champions that every pod served.
        evaluations: of drift.
        dropped: predictions that scoring says it dropped.
        slow_share: of the answers, those beyond the objective in the worst five minutes, as the stack's rule has it.
        logged: what the log holds.
        growth: of each service.
    """

    rollout: tuple[float, float]
    swaps: int
    evaluations: int
    dropped: float
    slow_share: float
    logged: Logged
    growth: Sequence[Growth]


def within_objective(windows: Sequence[Window]) -> float:
    """The share of the answers that came within the objective; 0 of none."""
    answered = sum(len(window.latencies) for window in windows)
    fast = sum(latency <= OBJECTIVE_MS / 1000 for window in windows for latency in window.latencies)
    return fast / answered if answered else 0.0


def growth(plan: Plan, memory: Series, handles: Series) -> list[Growth]:
    """What became of each service's processes; those that were not there in both windows are left out."""
    pods: dict[str, list[tuple[str, str]]] = {}
    for key in sorted(memory.keys() & handles.keys()):
        looks = [_within(series[key], window) for series in (memory, handles) for window in (plan.early, plan.last)]
        if min(map(len, looks)) >= _FEWEST_SAMPLES:
            pods.setdefault(key[0], []).append(key)
    return [
        Growth(
            service=service,
            pods=len(keys),
            memory_bytes=_medians(plan, [memory[key] for key in keys]),
            handles=_medians(plan, [handles[key] for key in keys]),
        )
        for service, keys in pods.items()
    ]


def _medians(plan: Plan, series: Sequence[Sequence[tuple[float, float]]]) -> tuple[float, float]:
    early, last = (sum(median(_within(one, window)) for one in series) for window in (plan.early, plan.last))
    return early, last


def _within(series: Sequence[tuple[float, float]], window: tuple[float, float]) -> list[float]:
    return [value for at, value in series if window[0] <= at <= window[1]]


def summary(plan: Plan, outcome: Outcome, facts: Facts) -> dict[str, Any]:
    """The figures of a run."""
    latencies = array("d", (latency for window in outcome.windows for latency in window.latencies))
    seconds = outcome.window_seconds
    beyond = [index * seconds for index, each in enumerate(outcome.windows) if _is_beyond(each)]
    return {
        "seconds": plan.seconds,
        "per_second": plan.per_second,
        "requests": len(latencies) + sum(outcome.failures.values()),
        "acknowledged": len(latencies),
        "failed": dict(outcome.failures),
        "p50_ms": percentile_ms(latencies, 0.5),
        "p99_ms": percentile_ms(latencies, 0.99),
        "within_objective": round(within_objective(outcome.windows), 5),
        "seconds_beyond": len(beyond) * seconds,
        "seconds_beyond_in_rollout": seconds * sum(_is_in(at, seconds, facts.rollout) for at in beyond),
        "generator_late_p99_ms": percentile_ms(outcome.late, 0.99),
        **asdict(facts),
    }


def _is_beyond(window: Window) -> bool:
    p99 = percentile_ms(window.latencies, OBJECTIVE_SHARE)
    return p99 is None or p99 > OBJECTIVE_MS


def _is_in(at: float, seconds: float, span: tuple[float, float]) -> bool:
    return span[0] - seconds <= at <= span[1] + seconds


def verdicts(found: Mapping[str, Any], plan: Plan) -> list[Verdict]:
    """What the run has to show."""
    failed, logged = sum(found["failed"].values()), found["logged"]
    missing, twice = found["acknowledged"] - logged["distinct"], logged["rows"] - logged["distinct"]
    planned = len(plan.swaps_at)
    services = [Growth(**each) for each in found["growth"]]
    wanted = {"scoring", "drift", "retraining"}
    grown = [each.service for each in services if not each.bounded]
    # A run of less than five minutes has too few looks at them.
    grown += [f"{name}, perhaps: too few looks" for name in sorted(wanted - {each.service for each in services})]
    return [
        Verdict("requests that failed", f"{failed}", "0", failed == 0),
        Verdict("acknowledged predictions less those in the log", f"{missing}", "0", missing == 0),
        Verdict("predictions in the log twice", f"{twice}", "0", twice == 0),
        Verdict("predictions dropped", f"{found['dropped']:.0f}", "0", found["dropped"] == 0),
        # As the pods measure it, like the rules: the client waits for the cores that it shares with them.
        Verdict(
            f"answers beyond {OBJECTIVE_MS:.0f} ms, in the worst five minutes",
            f"{found['slow_share']:.2%}",
            f"at most {1 - OBJECTIVE_SHARE:.0%}",
            found["slow_share"] <= 1 - OBJECTIVE_SHARE,
        ),
        Verdict(
            "services whose memory or handles grew",
            "; ".join(grown) or "none",
            "none, of " + ", ".join(sorted(wanted)),
            not grown,
        ),
        Verdict("swaps that reached every pod", f"{found['swaps']}", f"{planned}", found["swaps"] == planned),
        Verdict("evaluations of drift", f"{found['evaluations']}", "some", found["evaluations"] > 0),
    ]  # fmt: skip
