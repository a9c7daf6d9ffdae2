"""From measurements to the page. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.drift.workload import CHUNK_ROWS, FEATURES, HOURS, REFERENCE_ROWS
from benchmarks.measured import row

Results = Mapping[str, Any]
"""What results.json holds: by rows and contestant wall seconds, CPU seconds and peak MiB; and the run."""

TITLES: Final[Mapping[str, str]] = {
    "bare": "NannyML, data frames in memory",
    "process": "one process",
    "dask_1": "Dask, 1 worker",
    "dask_2": "Dask, 2 workers",
}
WANTED_RATIO: Final = 1.3
"""Of one process to bare NannyML."""
WANTED_ROWS: Final = 1_000_000
"""For which the ratio is wanted."""
WANTED_MIB: Final = 2048
"""Of a worker, whatever the window."""

_MACHINE: Final = (
    "{cores} cores, {cpu}, Linux {kernel}, Python {python}; load average at the start {load_average_at_start}."
)
_METHOD: Final = f"""\
A binary model with {FEATURES} features, {REFERENCE_ROWS:,} rows of reference, {HOURS} hours of traffic in chunks of
{CHUNK_ROWS:,} rows, all of it labelled. What is computed is the same everywhere: univariate drift of every feature and
of the output, reconstruction error, missing, unseen and out-of-range values, mean and standard deviation, estimated and
realized performance. NannyML's own calls get data frames that are in memory already, and only the calls are timed; the
service's times are those of `python3 -m drift evaluate` from start to end, with its imports, reading the log and
storing results. On a cluster the processor time is that of the evaluation and of all workers, and the memory is the
largest worker's. Processor time hardly depends on what else the machine does; the time that passes does, all the more
as an evaluation gives way to whatever else wants to run."""


def ratio(results: Results, rows: str, key: str = "cpu_seconds") -> float | None:
    """One process against bare NannyML; none where one of them was not measured."""
    found = results["measured"].get(rows, {})
    if not {"process", "bare"} <= found.keys():
        return None
    quotient: float = found["process"][key] / found["bare"][key]
    return quotient


def markdown(results: Results) -> str:
    """The page."""
    run = results["run"]
    lines = [
        "# Drift, measured",
        "",
        "Written by `make bench-drift`; the numbers are in `benchmarks/drift/results.json`.",
        "",
        f"{run['date']}, commit {run['commit']}, `{run['command']}`.",
        _MACHINE.format_map(run["machine"]),
        "",
        *_METHOD.splitlines(),
        "",
    ]
    for rows in sorted(results["measured"], key=int):
        lines += [f"## {int(rows):,} rows", "", *_table(results["measured"][rows], int(rows)), ""]
    lines += ["## Targets", "", "| what | found | wanted | |", "| --- | ---: | ---: | --- |"]
    for key, unit in (("cpu_seconds", "processor time"), ("wall_seconds", "time")):
        claim = f"one process, {WANTED_ROWS:,} rows: {unit}, times bare NannyML's"
        lines.append(_target(claim, ratio(results, str(WANTED_ROWS), key), WANTED_RATIO))
    peaks = [one["peak_mib"] for found in results["measured"].values() for name, one in found.items() if name != "bare"]
    lines += [_target("peak memory of a process or worker, MiB", max(peaks), WANTED_MIB), ""]
    return "\n".join(lines)


def _table(found: Mapping[str, Any], rows: int) -> list[str]:
    head = ["", "rows/s", "seconds", "processor seconds", "peak MiB"]
    lines = [row(head), row(["---", *["---:"] * (len(head) - 1)])]
    for name, title in TITLES.items():
        if name in found:
            one = found[name]
            cells = [title, f"{rows / one['wall_seconds']:,.0f}", f"{one['wall_seconds']:.1f}"]
            lines.append(row([*cells, f"{one['cpu_seconds']:.1f}", f"{one['peak_mib']:,.0f}"]))
    return lines


def _target(claim: str, found: float | None, wanted: float) -> str:
    number = "-" if found is None else f"{found:.4g}"
    return row([claim, number, f"at most {wanted:g}", _word(found, wanted)])


def _word(found: float | None, wanted: float) -> str:
    if found is None:
        return "not measured"
    return "met" if found <= wanted else "missed"
