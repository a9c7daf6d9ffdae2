"""From what was measured to results.json and the page. Pure."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.ramp.load import CLIENTS, Outcome
from benchmarks.ramp.shape import Shape
from benchmarks.ramp.watch import Look

OBJECTIVE_MS: Final = 100.0
OBJECTIVE_SHARE: Final = 0.99
"""Of the answers within it, as `monitoring/rules/scoring.yaml` has it."""

TOLERANCE: Final = 0.1
"""Kubernetes' autoscaler leaves the pods alone while their use is within a tenth of its target."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How the stack is configured for the run.

    Attributes:
        model: who is asked.
        min_replicas: pods that the autoscaler keeps.
        max_replicas: the most that it makes.
        cpu_limit_millicores: of a pod.
        target_cpu_percent: of that limit; the autoscaler's target.
    """

    model: str
    min_replicas: int
    max_replicas: int
    cpu_limit_millicores: int
    target_cpu_percent: int

    @property
    def target_millicores(self) -> float:
        """What a pod may use on average before there is another."""
        return self.cpu_limit_millicores * self.target_cpu_percent / 100


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """How long a pod was missing.

    Attributes:
        pods: how many were wanted.
        wanted_at: when the load asked for so many.
        ready_at: when there were so many; none where there never were.
    """

    pods: int
    wanted_at: float
    ready_at: float | None

    @property
    def seconds(self) -> float | None:
        """From the one to the other, negative where the pod was early; none where it never came."""
        return None if self.ready_at is None else max(0.0, round(self.ready_at - self.wanted_at, 1))


def percentile_ms(latencies: "array[float]", share: float) -> float | None:
    """A percentile of latencies in seconds, in milliseconds; none of none."""
    if not latencies:
        return None
    return round(1000 * sorted(latencies)[min(len(latencies) - 1, int(share * len(latencies)))], 2)


def windows(outcome: Outcome, shape: Shape) -> list[dict[str, Any]]:
    """What became of the requests, a window a line."""
    return [
        {
            "at": index * outcome.window_seconds,
            "asked_per_second": round(shape.per_second((index + 0.5) * outcome.window_seconds), 1),
            "answered_per_second": round(len(window.latencies) / outcome.window_seconds, 1),
            "failed": window.failed,
            "p50_ms": percentile_ms(window.latencies, 0.5),
            "p99_ms": percentile_ms(window.latencies, 0.99),
            "slow": sum(latency > OBJECTIVE_MS / 1000 for latency in window.latencies),
        }
        for index, window in enumerate(outcome.windows)
    ]


def reactions(shape: Shape, setting: Setting, looks: Sequence[Look], cpu_us: float) -> list[Reaction]:
    """For each pod beyond the first ones: when the load asked for it, and when it was there.

    Args:
        shape: the load.
        setting: the autoscaler's.
        looks: at the pods.
        cpu_us: processor time of a request, by which a load asks for pods.
    """
    carried = setting.target_millicores / 1000 * (1 + TOLERANCE) / (cpu_us / 1e6)
    found = []
    for pods in range(setting.min_replicas + 1, setting.max_replicas + 1):
        wanted_at = shape.crossed_at(carried * (pods - 1))
        if wanted_at is None:
            break
        ready_at = next((look.at for look in looks if look.ready >= pods), None)
        found.append(Reaction(pods=pods, wanted_at=round(wanted_at, 1), ready_at=ready_at))
    return found


def held(shape: Shape, series: Sequence[tuple[float, float]]) -> float:
    """The mean at the top of the load, of rates over minutes that lie wholly in it.

    Raises:
        ValueError: Prometheus kept nothing of that time.
    """
    values = [value for at, value in series if shape.held_at + 60 <= at <= shape.held_at + shape.hold_seconds]
    if not values:
        raise ValueError("Prometheus kept nothing of the scoring pods at the top of the load")
    return sum(values) / len(values)


def summary(
    *,
    shape: Shape,
    setting: Setting,
    outcome: Outcome,
    lines: Sequence[Mapping[str, Any]],
    looks: Sequence[Look],
    remembered: Mapping[str, Sequence[tuple[float, float]]],
) -> dict[str, Any]:
    """What a reader wants to know first."""
    each_us = round(held(shape, remembered["cpu_cores"]) / (shape.base_per_second * shape.factor) * 1e6, 1)
    missing = reactions(shape, setting, looks, each_us)
    answered = sum(len(window.latencies) for window in outcome.windows)
    latencies = array("d", (latency for window in outcome.windows for latency in window.latencies))
    over = [line["at"] for line in lines if line["p99_ms"] is None or line["p99_ms"] > OBJECTIVE_MS]
    excused = [at for at in over if _while_reacting(at, outcome.window_seconds, missing)]
    after = [look.at for look in looks if look.at >= shape.rested_at and look.ready <= setting.min_replicas]
    return {
        "requests": answered + sum(outcome.failures.values()),
        "failed": dict(outcome.failures),
        "within_objective": round(1 - sum(line["slow"] for line in lines) / max(1, answered), 5),
        "p50_ms": percentile_ms(latencies, 0.5),
        "p99_ms": percentile_ms(latencies, 0.99),
        "over_objective_seconds": len(over) * outcome.window_seconds,
        "over_objective_while_reacting_seconds": len(excused) * outcome.window_seconds,
        "cpu_us": each_us,
        "request_bytes": round(outcome.bytes / max(1, answered), 1),
        "log_record_bytes": round(held(shape, remembered["log_record_bytes"]), 1),
        "pods_most": max(look.ready for look in looks),
        "pods_at_end": looks[-1].ready,
        "reactions": [asdict(one) | {"seconds": one.seconds} for one in missing],
        "back_after_seconds": round(after[0] - shape.rested_at, 1) if after else None,
        "generator_late_p99_ms": percentile_ms(outcome.late, 0.99),
        "machine_busy": round(sum(look.machine_busy for look in looks) / len(looks), 3),
    }


def _while_reacting(at: float, seconds: float, missing: Sequence[Reaction]) -> bool:
    return any(
        one.wanted_at <= at + seconds and (one.ready_at is None or at <= one.ready_at + seconds) for one in missing
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim of the run.

    Attributes:
        claim: in words.
        found: as it is shown.
        wanted: likewise.
        met: whether it holds.
    """

    claim: str
    found: str
    wanted: str
    met: bool


def verdicts(found: Mapping[str, Any], setting: Setting) -> list[Verdict]:
    """What the run has to show."""
    failed = sum(found["failed"].values())
    outside = found["over_objective_seconds"] - found["over_objective_while_reacting_seconds"]
    share = found["within_objective"]
    missing = found["reactions"]
    late = [one for one in missing if one["seconds"] is None]
    return [
        Verdict("requests that failed", f"{failed}", "0", failed == 0),
        Verdict(
            f"answers within {OBJECTIVE_MS:.0f} ms, of all",
            f"{share:.2%}",
            f"at least {OBJECTIVE_SHARE:.0%}",
            share >= OBJECTIVE_SHARE,
        ),
        Verdict("seconds with a p99 beyond it, no pod being missing", f"{outside:.0f}", "0", outside == 0),
        Verdict(
            "pods, where the load asked for them",
            f"{found['pods_most']}",
            f"at least {setting.min_replicas + len(missing)}",
            bool(missing) and not late,
        ),
        Verdict(
            "pods at the end", f"{found['pods_at_end']}", f"{setting.min_replicas}",
            found["pods_at_end"] == setting.min_replicas,
        ),
    ]  # fmt: skip


_MACHINE: Final = "{cores} cores, {cpu}, Linux {kernel}; load average at the start {load_average_at_start}."
_METHOD: Final = """\
The local stack, the load generator and whatever else ran share these cores, of which {busy:.0%} were in use on average:
the latencies have that in them. Requests of one row go to `{model}` by its node port on 127.0.0.1, each at its moment,
whether or not those before it are answered; a latency counts from that moment. {clients} connections are kept for five
to ten seconds each: a Service spreads connections, so that clients that never connect anew never meet a new pod.

From {base_per_second:,.0f} requests a second to {top:,.0f} within {rise_seconds:.0f} s, {hold_seconds:.0f} s there,
back within {fall_seconds:.0f} s. For this run the autoscaler's target is {target_millicores:.0f} thousandths of a core
({target_cpu_percent} % of the limit of {cpu_limit_millicores}), so that ten times the load needs several pods on a
machine this small; its behaviour is the stack's own, with {min_replicas} to {max_replicas} pods. Drift is off."""
_SHOWED: Final = """\
- {requests:,} requests; median {p50_ms:.1f} ms, 99th percentile {p99_ms:.1f} ms over all of them. The generator itself
  sent late by {generator_late_p99_ms:.1f} ms at the 99th percentile, which is in these numbers.
- The 99th percentile of a window was beyond the objective for {over_objective_seconds:.0f} s in all,
  {over_objective_while_reacting_seconds:.0f} s of them while a pod was missing.
- A request took {cpu_us:.0f} us of a pod's processor time at the top, {request_bytes:.0f} bytes on the wire with its
  answer, and {log_record_bytes:.0f} bytes in the object store.
- The pods were back at their fewest {back}."""
_MISSING: Final = """\
Wanted: the load passed what the pods before it use at the autoscaler's target and its tolerance of a tenth. Ready: as
seen every five seconds; negative is early, for pods come by twos."""


def markdown(results: Mapping[str, Any]) -> str:
    """The page."""
    run, found = results["run"], results["summary"]
    setting, shape = Setting(**results["setting"]), Shape(**results["shape"])
    after = found["back_after_seconds"]
    back = "never" if after is None else f"{after:.0f} s after the load was back"
    method = _METHOD.format(
        **results["setting"],
        **results["shape"],
        busy=found["machine_busy"],
        target_millicores=setting.target_millicores,
        clients=CLIENTS,
        top=shape.base_per_second * shape.factor,
    )
    lines = [
        "# A load that grows tenfold",
        "",
        "Written by `make ramp`; every window of five seconds is in `benchmarks/ramp/details.json`.",
        "",
        f"{run['date']}, commit {run['commit']}, `{run['command']}`.",
        _MACHINE.format_map(run["machine"]),
        "",
        *method.splitlines(),
        "",
        "![load, latency, pods and processor time](ramp.svg)",
        "",
        "## What it had to show",
        "",
        "| what | found | wanted | |",
        "| --- | ---: | ---: | --- |",
        *(
            f"| {one.claim} | {one.found} | {one.wanted} | {'met' if one.met else 'missed'} |"
            for one in verdicts(found, setting)
        ),
        "",
        "## What it showed",
        "",
        *_SHOWED.format(**found, back=back).splitlines(),
        "",
        "## How long a pod was missing",
        "",
        *_MISSING.splitlines(),
        "",
        "| pod | wanted at | ready at | missing |",
        "| ---: | ---: | ---: | ---: |",
        *(
            f"| {one['pods']} | {one['wanted_at']:.0f} s | {_seconds(one['ready_at'])} | {_seconds(one['seconds'])} |"
            for one in found["reactions"]
        ),
        "",
    ]
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.0f} s"
