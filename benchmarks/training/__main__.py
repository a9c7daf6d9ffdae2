"""`make bench-training`. Exit status: 0 measured, 1 it could not be, 130 interrupted."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import psutil

from benchmarks.measured import Sample, check, command, dask_cluster, described, peak_mib, run, write
from benchmarks.serving import machine
from benchmarks.serving.machine import BenchmarkError
from benchmarks.training import report
from toolchain.paths import REPOSITORY
from toolchain.progress import console, step

_BUILD: Final = REPOSITORY / "build" / "bench" / "training"
_RESULTS: Final = REPOSITORY / "benchmarks" / "training" / "results.json"
_PAGE: Final = REPOSITORY / "docs" / "benchmarks" / "training.md"
_ROWS: Final = (100_000, 1_000_000)
_SECONDS_A_ROW: Final = 4e-5
"""Of one contestant, for the estimate of the time left."""


def measure(rows: int, name: str) -> dict[str, float]:
    """What one contestant took, and how good its model is."""
    kind, _, number = name.partition("_")
    program = ["benchmarks.training.one", str(rows)]
    if kind == "process":
        answer, usage, _ = run([*program, number], {})
        sample = Sample(answer["wall_seconds"], answer["cpu_seconds"], usage.ru_maxrss / 1024)
    else:
        with dask_cluster(int(number), {}) as cluster:
            workers = [psutil.Process(worker.pid) for worker in cluster.workers.values()]
            before = _spent(workers)
            answer, usage, _ = run([*program, "1", cluster.scheduler_address, number], {})
            spent = answer["cpu_seconds"] + _spent(workers) - before
            peak = max(usage.ru_maxrss / 1024, *(peak_mib(worker) for worker in workers))
        sample = Sample(answer["wall_seconds"], spent, peak)
    return asdict(sample) | {metric: answer[metric] for metric in ("auc", "log_loss")}


def _spent(processes: Sequence[psutil.Process]) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def main() -> int:
    """Measures, and writes results.json and the page."""
    parser = argparse.ArgumentParser(prog="make bench-training", description="Measures trainings.")
    parser.add_argument("--rows", default="", help="numbers of rows, with commas; everything then goes to build/bench/")
    parser.add_argument("--only", default="", help=f"of {', '.join(report.TITLES)}; likewise")
    arguments = parser.parse_args()
    part = bool(arguments.rows or arguments.only)
    sizes = [int(float(each)) for each in arguments.rows.split(",")] if arguments.rows else list(_ROWS)
    names = arguments.only.split(",") if arguments.only else list(report.TITLES)
    console.print("[bold]Training benchmark[/bold]: one contestant at a time")
    measured: dict[str, dict[str, Any]] = {str(rows): {} for rows in sizes}
    try:
        check(names, report.TITLES)
        facts = machine.describe()
        for rows in sizes:
            for name in names:
                with step(f"{rows:,} rows: {report.TITLES[name]}", rows * _SECONDS_A_ROW):
                    measured[str(rows)][name] = measure(rows, name)
    except BenchmarkError as error:
        console.print(f"[red]x[/red] {error}", markup=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    numbers, page = (_BUILD / _RESULTS.name, _BUILD / _PAGE.name) if part else (_RESULTS, _PAGE)
    run_facts = described(command("bench-training", arguments.rows, arguments.only), facts)
    print(write({"run": run_facts, "measured": measured}, numbers, page, report.markdown))  # noqa: T201 - its answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
