"""From samples to results.json and the page. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from benchmarks.serving.contestants import CONTESTANTS, SCORING
from benchmarks.serving.load import CONNECTIONS, Sample
from benchmarks.serving.workload import BATCH_ROWS, FEATURES, TREES

Results = Mapping[str, Any]
"""What details.json holds: the contestants by name, batch, work, rounds, run."""

_KEYS: Final = ("requests_per_second", "p50_ms", "p99_ms", "errors", "version")

_MACHINE: Final = (
    "{cores} cores, {cpu}, Linux {kernel}, Python {python}; load average at the start {load_average_at_start}."
)
_METHOD: Final = """\
The same LightGBM model ({features} numeric features, binary, {trees} trees of 31 leaves) behind every server, each with
one core and one worker; {connections} keep-alive connections from another core; {rounds} rounds in turn of {seconds} s
each, medians of the rounds. Every server's answers were compared with `Booster.predict` before each round, bit for bit.
The processor time of a request (CPU us) hardly depends on what else the machine does; rates and latencies do.
How each is set up stands at the head of its file in `contestants/`."""
_WORK: Final = (
    "Decode, validate, predict and encode take {work_us:.1f} us for one row at the median, the C call alone "
    "{c_call_us:.1f} us: {times:.1f} times."
)
_BUSY: Final = 0.9
"""From this share of its core on, the load generator may be what was measured."""


def summary(samples: Sequence[Sample]) -> dict[str, float | int]:
    """The median of the rounds; errors of all rounds together."""
    found: dict[str, float | int] = {
        "requests_per_second": round(median(sample.requests_per_second for sample in samples), 1),
        "p50_ms": round(median(sample.p50_ms for sample in samples), 4),
        "p99_ms": round(median(sample.p99_ms for sample in samples), 4),
        "cpu_us": round(median(sample.cpu_us for sample in samples), 2),
        "errors": sum(sample.errors for sample in samples),
    }
    busy = [sample.generator_busy for sample in samples if sample.generator_busy is not None]
    return found | ({"generator_busy": max(busy)} if busy else {})


def results(details: Results) -> dict[str, object]:
    """What results.json holds: one row a request, what a reader needs of each contestant, and nothing else."""
    return {name: {key: details[name][key] for key in _KEYS} for name in CONTESTANTS if name in details}


def ratio(results: Results, name: str, against: str) -> float | None:
    """How many times the requests a second of another; none where one of them was not measured."""
    if name not in results or against not in results:
        return None
    found: float = results[name]["requests_per_second"] / results[against]["requests_per_second"]
    return found


@dataclass(frozen=True)
class Target:
    """What the service has to show, as a number found and the number wanted; none where it was not measured."""

    claim: str
    found: Callable[[Results], float | None]
    wanted: float
    at_most: bool = False

    def met(self, results: Results) -> bool | None:
        """Whether it is shown."""
        found = self.found(results)
        if found is None:
            return None
        return found <= self.wanted if self.at_most else found >= self.wanted


def _p99(results: Results, name: str, against: str) -> float | None:
    if name not in results or against not in results:
        return None
    found: float = results[name]["p99_ms"] / results[against]["p99_ms"]
    return found


def _work(results: Results) -> float | None:
    return results["work"]["work_us"] / results["work"]["c_call_us"] if "work" in results else None


TARGETS: Final = (
    Target("log off: requests a second, of bare ASGI's", lambda r: ratio(r, "scoring_log_off", "bare_asgi"), 0.52),
    Target("log async: requests a second, of bare ASGI's", lambda r: ratio(r, "scoring_log_async", "bare_asgi"), 0.44),
    Target("log async: requests a second, times MLServer's", lambda r: ratio(r, "scoring_log_async", "mlserver"), 9),
    Target("log async: requests a second, times FastAPI's", lambda r: ratio(r, "scoring_log_async", "fastapi"), 5),
    Target("log async: p99, of MLServer's", lambda r: _p99(r, "scoring_log_async", "mlserver"), 1, at_most=True),
    Target("log async: p99, of FastAPI's", lambda r: _p99(r, "scoring_log_async", "fastapi"), 1, at_most=True),
    Target(
        f"log off, {BATCH_ROWS} rows a request: rows a second, of the C matrix call's",
        lambda r: ratio(r.get("batch", {}), "scoring_log_off", "c_call"),
        0.85,
    ),
    Target("work outside the HTTP server for one row, times the C call", _work, 2.5, at_most=True),
)


def markdown(results: Results) -> str:
    """The page."""
    run = results["run"]
    lines = [
        "# Serving, measured",
        "",
        "Written by `make bench-serving`; the numbers of every round are in `benchmarks/serving/details.json`.",
        "",
        f"{run['date']}, commit {run['commit']}, `{run['command']}`.",
        _MACHINE.format_map(run["machine"]),
        "",
        *_METHOD.format(connections=CONNECTIONS, features=len(FEATURES), trees=TREES, **run).splitlines(),
        "",
        *_table("One row a request", results, "requests/s", 1),
        *_table(f"{BATCH_ROWS} rows a request", results.get("batch", {}), "rows/s", BATCH_ROWS),
    ]
    if "work" in results:
        work = results["work"]
        lines += [
            "## The work outside the HTTP server",
            "",
            _WORK.format(**work, times=work["work_us"] / work["c_call_us"]),
            "",
        ]
    lines += ["## Targets", "", "| what | found | wanted | |", "| --- | ---: | ---: | --- |"]
    for target in TARGETS:
        found, met = target.found(results), target.met(results)
        sign = "at most" if target.at_most else "at least"
        word = {True: "met", False: "missed", None: "not measured"}[met]
        lines.append(f"| {target.claim} | {_ratio(found)} | {sign} {target.wanted:g} | {word} |")
    busy = [name for name in CONTESTANTS if results.get(name, {}).get("generator_busy", 0) >= _BUSY]
    if busy:
        lines += [
            "",
            f"The load generator used over {_BUSY:.0%} of its core with {', '.join(busy)}: read those as lower bounds.",
        ]
    lines += ["", "![requests a second](serving.svg)", ""]
    return "\n".join(lines)


def _table(title: str, results: Results, unit: str, rows: int) -> list[str]:
    measured = [name for name in CONTESTANTS if name in results]
    if not measured:
        return []
    own = [contestant.name for contestant in SCORING if contestant.name in results]
    limit = "c_call" if rows > 1 else "bare_asgi"
    limit_title = "of the C call" if rows > 1 else "of bare ASGI"
    head = [
        "",
        limit_title,
        *(f"{name.removeprefix('scoring_')} / this" for name in own),
        unit,
        "p50 ms",
        "p99 ms",
        "CPU us",
        "errors",
    ]
    if rows == 1:
        head.append("version")
    lines = [f"## {title}", "", _row(head), _row(["---", *["---:"] * (len(head) - 1)])]
    for name in sorted(measured, key=lambda name: -results[name]["requests_per_second"]):
        found = results[name]
        cells = [CONTESTANTS[name].title, _ratio(ratio(results, name, limit))]
        cells += [_ratio(ratio(results, mine, name)) for mine in own]
        cells += [f"{found['requests_per_second'] * rows:,.0f}", f"{found['p50_ms']:.3g}", f"{found['p99_ms']:.3g}"]
        cells += [f"{found['cpu_us']:.3g}", str(found["errors"])]
        if rows == 1:
            cells.append(found["version"])
        lines.append(_row(cells))
    return [*lines, ""]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
