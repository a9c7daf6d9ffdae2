"""From measurements to the page. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.columns import FEATURES
from benchmarks.drift.workload import CHUNK_ROWS, HOURS, REFERENCE_ROWS
from benchmarks.measured import row

Results = Mapping[str, Any]
"""What results.json holds: by rows the run, and by contestant wall seconds, CPU seconds and peak MiB."""

TITLES: Final[Mapping[str, str]] = {
    "bare": "NannyML, data frames in memory",
    "start": "one process, of a model that is not there",
    "process": "one process",
    "service": "the service, asked all the while",
    "dask_1": "Dask, 1 worker",
    "dask_2": "Dask, 2 workers",
    "dask_4": "Dask, 4 workers",
}
WANTED_RATIO: Final = 1.3
"""Of one process to bare NannyML."""
WANTED_ROWS: Final = 1_000_000
"""For which the ratio is wanted."""
WANTED_MIB: Final = 2048
"""Of a worker, whatever the window."""
WANTED_P99_MILLISECONDS: Final = 50
"""Of the service's answers while an evaluation runs."""
WANTED_GROWTH: Final = 1.1
"""Of processor time a row, from the fewest rows to the most: no worse than linear, and a tenth for noise."""

_RUN: Final = """\
{date}, commit {commit}, `{command}`.
{machine[cores]} cores, {machine[cpu]}, Linux {machine[kernel]}, Python {machine[python]}; load average at the start
{machine[load_average_at_start]}."""
_METHOD: Final = f"""\
A binary model with {FEATURES} features, {REFERENCE_ROWS:,} rows of reference, {HOURS} hours of traffic in chunks of
{CHUNK_ROWS:,} rows, all of it labelled. What is computed is the same everywhere: univariate drift of every feature and
of the output, reconstruction error, missing, unseen and out-of-range values, mean and standard deviation, estimated and
realized performance. NannyML's own calls get data frames that are in memory already, and only the calls are timed; the
service's times are those of `python3 -m drift evaluate` from start to end, with its imports, reading the log and
storing results. Asked for a model that is not there it starts, imports the same and ends: that is what an evaluation
costs before it has read a row. The service, which starts such an evaluation, is asked for `/metrics` and `/live` by one
client, a hundred times a second at most. On a cluster the processor time is that of the evaluation and of all workers,
and the memory is the largest worker's. Processor time hardly depends on what else the machine does; the time that
passes does, and every contestant gives way to whatever else wants to run, as an evaluation does beside its service."""


def ratio(results: Results, key: str, without: str | None = None) -> float | None:
    """One process against bare NannyML, for so many rows as it is wanted; none where one of them was not measured.

    Args:
        results: what was measured.
        key: of a contestant's numbers.
        without: what is taken off before, another contestant.
    """
    found = results.get(str(WANTED_ROWS), {}).get("measured", {})
    if not {"process", "bare", without or "bare"} <= found.keys():
        return None
    quotient: float = (found["process"][key] - (found[without][key] if without else 0.0)) / found["bare"][key]
    return quotient


def growth(results: Results) -> float | None:
    """Processor time a row of one process, for the most rows against the fewest, its start taken off; at least two."""
    found = {int(rows): one["measured"] for rows, one in results.items()}
    a_row = [
        (measured["process"]["cpu_seconds"] - measured["start"]["cpu_seconds"]) / rows
        for rows, measured in sorted(found.items())
        if {"process", "start"} <= measured.keys()
    ]
    return a_row[-1] / a_row[0] if len(a_row) > 1 else None


def markdown(results: Results) -> str:
    """The page."""
    lines = [
        "# Drift, measured",
        "",
        "Written by `make bench-drift`; the numbers are in `benchmarks/drift/results.json`.",
        "",
        *_METHOD.splitlines(),
        "",
    ]
    for rows, one in sorted(results.items(), key=lambda item: int(item[0])):
        lines += [f"## {int(rows):,} rows", "", *_RUN.format_map(one["run"]).splitlines(), ""]
        lines += [*_table(one["measured"], int(rows)), ""]
    lines += ["## Targets", "", "| what | found | wanted | |", "| --- | ---: | ---: | --- |"]
    for key, unit in (("cpu_seconds", "processor time"), ("wall_seconds", "time")):
        claim = f"one process, {WANTED_ROWS:,} rows: {unit}, times bare NannyML's"
        lines.append(_target(claim, ratio(results, key), WANTED_RATIO))
        lines.append(_target(f"{claim}, without start and imports", ratio(results, key, "start"), WANTED_RATIO))
    lines.append(_target("one process: processor time a row, most rows to fewest", growth(results), WANTED_GROWTH))
    peaks = [found["peak_mib"] for one in results.values() for name, found in one["measured"].items() if name != "bare"]
    lines.append(_target("peak memory of a process or worker, MiB", max(peaks, default=None), WANTED_MIB))
    answers = [one["measured"]["service"] for one in results.values() if "service" in one["measured"]]
    slowest = max((one["p99_milliseconds"] for one in answers), default=None)
    claim = "`/metrics` and `/live` while an evaluation runs, 99th percentile, ms"
    lines += [_target(claim, slowest, WANTED_P99_MILLISECONDS), ""]
    return "\n".join(lines)


def _table(found: Mapping[str, Any], rows: int) -> list[str]:
    head = ["", "rows/s", "seconds", "processor seconds", "peak MiB"]
    lines = [row(head), row(["---", *["---:"] * (len(head) - 1)])]
    for name, title in TITLES.items():
        if name in found:
            one = found[name]
            speed = "-" if name == "start" else f"{rows / one['wall_seconds']:,.0f}"
            cells = [title, speed, f"{one['wall_seconds']:.1f}"]
            lines.append(row([*cells, f"{one['cpu_seconds']:.1f}", f"{one['peak_mib']:,.0f}"]))
    return lines


def _target(claim: str, found: float | None, wanted: float) -> str:
    number = "-" if found is None else f"{found:.4g}"
    return row([claim, number, f"at most {wanted:g}", _word(found, wanted)])


def _word(found: float | None, wanted: float) -> str:
    if found is None:
        return "not measured"
    return "met" if found <= wanted else "missed"
