"""`make bench-drift`. Exit status: 0 measured, 1 it could not be, 130 interrupted."""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import psutil

from benchmarks.drift import report, workload
from benchmarks.measured import Sample, dask_cluster, described, peak_mib, run, write
from benchmarks.serving import machine
from benchmarks.serving.machine import BenchmarkError
from toolchain.paths import REPOSITORY
from toolchain.progress import console, step

_BUILD: Final = REPOSITORY / "build" / "bench" / "drift"
_RESULTS: Final = REPOSITORY / "benchmarks" / "drift" / "results.json"
_PAGE: Final = REPOSITORY / "docs" / "benchmarks" / "drift.md"
_ROWS: Final = (100_000, 1_000_000)
_SECONDS_A_ROW: Final = 1e-4
"""Of all contestants together, for the estimate of the time left."""


def measure(rows: int, contestants: Sequence[str], folder: Path) -> dict[str, Sample]:
    """Each contestant on the same rows, one after another.

    Raises:
        BenchmarkError: one of them failed, or did not evaluate every row that makes a chunk.
    """
    found = {}
    with step(f"{rows:,} rows: writing the log", rows * _SECONDS_A_ROW / 4):
        shutil.rmtree(folder, ignore_errors=True)
        workload.write(folder / "fresh", rows)
    for name in contestants:
        with step(f"{rows:,} rows: {report.TITLES[name]}", rows * _SECONDS_A_ROW):
            found[name] = _bare(rows) if name == "bare" else _evaluated(rows, name, folder)
    shutil.rmtree(folder)
    return found


def _bare(rows: int) -> Sample:
    answer, usage, _ = run(["benchmarks.drift.bare", str(rows)], {})
    return Sample(answer["wall_seconds"], answer["cpu_seconds"], usage.ru_maxrss / 1024)


def _evaluated(rows: int, name: str, folder: Path) -> Sample:
    store = folder / name
    shutil.copytree(folder / "fresh", store)
    variables = {
        "DRIFT_MODELS": json.dumps([workload.MODEL]),
        "DRIFT_CHUNK_ROWS": str(workload.CHUNK_ROWS),
        "MODEL_STORE_URL": f"file://{store}",
        "PREDICTION_STORE_URL": f"file://{store}",
    }
    if name == "process":
        answer, usage, wall = run(["drift", "evaluate", workload.MODEL], variables)
        sample = Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    else:
        with dask_cluster(int(name.removeprefix("dask_")), variables) as cluster:
            variables |= {"DRIFT_ENGINE": "dask", "DRIFT_DASK_SCHEDULER": cluster.scheduler_address}
            answer, usage, wall = run(["drift", "evaluate", workload.MODEL], variables)
            workers = [psutil.Process(worker.pid) for worker in cluster.workers.values()]
            spent = sum(sum(worker.cpu_times()[:2]) for worker in workers)
            peak = max(peak_mib(worker) for worker in workers)
        sample = Sample(wall, usage.ru_utime + usage.ru_stime + spent, peak)
    whole = rows // workload.CHUNK_ROWS * workload.CHUNK_ROWS
    if answer["rows"] != whole or answer["failures"]:
        raise BenchmarkError(f"{name} evaluated {answer['rows']} of {whole} rows, with failures {answer['failures']}")
    return sample


def main() -> int:
    """Measures, and writes results.json and the page."""
    parser = argparse.ArgumentParser(prog="make bench-drift", description="Measures evaluations of drift.")
    parser.add_argument("--rows", default="", help="numbers of rows, with commas; everything then goes to build/bench/")
    parser.add_argument("--only", default="", help=f"of {', '.join(report.TITLES)}; likewise")
    arguments = parser.parse_args()
    part = bool(arguments.rows or arguments.only)
    sizes = [int(float(each)) for each in arguments.rows.split(",")] if arguments.rows else list(_ROWS)
    names = arguments.only.split(",") if arguments.only else list(report.TITLES)
    console.print("[bold]Drift benchmark[/bold]: one contestant at a time")
    try:
        _check(names)
        facts = machine.describe()
        measured = {
            str(rows): {name: asdict(sample) for name, sample in measure(rows, names, _BUILD).items()} for rows in sizes
        }
    except BenchmarkError as error:
        console.print(f"[red]x[/red] {error}", markup=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    command = "make bench-drift"
    command += f" ROWS={arguments.rows}" if arguments.rows else ""
    command += f" ONLY={arguments.only}" if arguments.only else ""
    numbers, page = (_BUILD.parent / _RESULTS.name, _BUILD.parent / _PAGE.name) if part else (_RESULTS, _PAGE)
    write({"run": described(command, facts), "measured": measured}, numbers, page, report.markdown)
    return 0


def _check(names: Sequence[str]) -> None:
    if unknown := set(names) - report.TITLES.keys():
        raise BenchmarkError(f"ONLY names {', '.join(sorted(unknown))}; there are {', '.join(report.TITLES)}")


if __name__ == "__main__":
    sys.exit(main())
