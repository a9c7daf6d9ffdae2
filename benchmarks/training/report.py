"""From measurements to the page. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.columns import FEATURES
from benchmarks.measured import row
from benchmarks.training.workload import HOLDOUT_ROWS, ROUNDS

Results = Mapping[str, Any]
"""What results.json holds: by rows and contestant seconds, MiB and metrics; and the run."""

TITLES: Final[Mapping[str, str]] = {
    "process_1": "one process, 1 thread",
    "process_2": "one process, 2 threads",
    "dask_1": "Dask, 1 worker",
    "dask_2": "Dask, 2 workers",
}
BASE: Final = "process_1"
WANTED_AUC: Final = 0.002
"""The most by which a model of a cluster may be worse than one process's."""

_MACHINE: Final = (
    "{cores} cores, {cpu}, Linux {kernel}, Python {python}; load average at the start {load_average_at_start}."
)
_METHOD: Final = f"""\
A binary model with {FEATURES} features, a fifth of them categorical, in {ROUNDS} rounds of 31 leaves, on generated
rows; the metrics are of {HOLDOUT_ROWS:,} others. One process is `train_on`, which a Job calls by default; Dask is
`train_on_cluster`, which it calls with `training.engine: dask`, on workers of one thread each. Timed is the call, with
the rows in memory: on Dask that is connecting, handing the rows out, training and fetching the model. The processor
time on Dask is the caller's and all workers', from the moment when there are workers; the memory is the largest
process's, the caller that holds the rows included. Scheduler, caller and workers share the machine's cores, so that two
workers have no more processors than two threads: what a cluster gains is room for more rows than one node trains.
Processor time hardly depends on what else the machine does; the time that passes does.

No GPU was there to be measured. `training.device_type: gpu` is held against the CPU by a test, on OpenCL that runs on a
CPU (`tests/services/retraining/test_gpu.py`): that shows the model, and nothing of the time."""


def markdown(results: Results) -> str:
    """The page."""
    run = results["run"]
    lines = [
        "# Training, measured",
        "",
        "Written by `make bench-training`; the numbers are in `benchmarks/training/results.json`.",
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
    for rows in sorted(results["measured"], key=int):
        claim = f"{int(rows):,} rows: AUC that Dask loses to one process, at worst"
        lines.append(_target(claim, lost(results, rows), WANTED_AUC))
    return "\n".join([*lines, ""])


def lost(results: Results, rows: str) -> float | None:
    """AUC of one process less the worst of Dask; none where one of them was not measured."""
    found = results["measured"][rows]
    on_dask = [one["auc"] for name, one in found.items() if name.startswith("dask")]
    if BASE not in found or not on_dask:
        return None
    difference: float = found[BASE]["auc"] - min(on_dask)
    return difference


def _table(found: Mapping[str, Any], rows: int) -> list[str]:
    head = ["", "rows/s", "seconds", "times one process", "processor seconds", "peak MiB", "AUC", "log loss"]
    lines = [row(head), row(["---", *["---:"] * (len(head) - 1)])]
    for name, title in TITLES.items():
        if name in found:
            one = found[name]
            times = f"{one['wall_seconds'] / found[BASE]['wall_seconds']:.2f}" if BASE in found else "-"
            cells = [title, f"{rows / one['wall_seconds']:,.0f}", f"{one['wall_seconds']:.1f}", times]
            cells += [f"{one['cpu_seconds']:.1f}", f"{one['peak_mib']:,.0f}"]
            lines.append(row([*cells, f"{one['auc']:.4f}", f"{one['log_loss']:.4f}"]))
    return lines


def _target(claim: str, found: float | None, wanted: float) -> str:
    if found is None:
        return row([claim, "-", f"at most {wanted:g}", "not measured"])
    return row([claim, f"{found:.4f}", f"at most {wanted:g}", "met" if found <= wanted else "missed"])
