"""`make bench-drift`. Exit status: 0 measured, 1 it could not be, 130 interrupted."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.drift import report, service, workload
from benchmarks.measured import Sample, check, command, dask_cluster, described, environment, peak_mib, run, write
from benchmarks.serving import machine
from benchmarks.serving.machine import BenchmarkError
from toolchain.paths import REPOSITORY
from toolchain.progress import console, step

_BUILD: Final = REPOSITORY / "build" / "bench" / "drift"
_RESULTS: Final = REPOSITORY / "benchmarks" / "drift" / "results.json"
_PAGE: Final = REPOSITORY / "docs" / "benchmarks" / "drift.md"
_ROWS: Final[Mapping[int, Sequence[str]]] = {
    100_000: tuple(report.TITLES),
    1_000_000: tuple(report.TITLES),
    10_000_000: ("start", "process", "dask_2"),
}
"""Who is measured: of ten million rows data frames in memory would take most of a machine, and each of the others takes
ten minutes and more."""
_NO_MODEL: Final = "none"
_SECONDS_A_ROW: Final = 1e-4
"""Of all contestants together, for the estimate of the time left."""


def measure(rows: int, contestants: Sequence[str], folder: Path) -> Iterator[tuple[str, Sample | service.Asked]]:
    """Each contestant on the same rows, one after another, and what it took.

    Raises:
        BenchmarkError: one of them failed, or did not evaluate every row that makes a chunk.
    """
    with step(f"{rows:,} rows: writing the log", rows * _SECONDS_A_ROW / 4):
        shutil.rmtree(folder, ignore_errors=True)
        workload.write(folder / "fresh", rows)
    for name in contestants:
        with step(f"{rows:,} rows: {report.TITLES[name]}", rows * _SECONDS_A_ROW):
            yield name, _bare(rows) if name == "bare" else _evaluated(rows, name, folder)
    shutil.rmtree(folder)


def _bare(rows: int) -> Sample:
    answer, usage, _ = run(["benchmarks.drift.bare", str(rows)], {})
    return Sample(answer["wall_seconds"], answer["cpu_seconds"], usage.ru_maxrss / 1024)


def _evaluated(rows: int, name: str, folder: Path) -> Sample | service.Asked:
    store = folder / name
    model = _NO_MODEL if name == "start" else workload.MODEL
    shutil.copytree(folder / "fresh", store, copy_function=os.link)  # neither side changes a file
    variables = {
        "DRIFT_MODELS": json.dumps([model]),
        "DRIFT_CHUNK_ROWS": str(workload.CHUNK_ROWS),
        "MODEL_STORE_URL": f"file://{store}",
        "PREDICTION_STORE_URL": f"file://{store}",
    }
    if name == "service":
        return service.ask(environment(variables))
    if name in {"start", "process"}:
        answer, usage, wall = run(["drift", "evaluate", model], variables)
        sample = Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
    else:
        with dask_cluster(int(name.removeprefix("dask_")), variables) as cluster:
            variables |= {"DRIFT_ENGINE": "dask", "DRIFT_DASK_SCHEDULER": cluster.scheduler_address}
            answer, usage, wall = run(["drift", "evaluate", model], variables)
            workers = [psutil.Process(worker.pid) for worker in cluster.workers.values()]
            spent = sum(sum(worker.cpu_times()[:2]) for worker in workers)
            peak = max(peak_mib(worker) for worker in workers)
        sample = Sample(wall, usage.ru_utime + usage.ru_stime + spent, peak)
    whole = 0 if name == "start" else rows // workload.CHUNK_ROWS * workload.CHUNK_ROWS
    if answer["rows"] != whole or answer["failures"]:
        raise BenchmarkError(f"{name} evaluated {answer['rows']} of {whole} rows, with failures {answer['failures']}")
    return sample


def main() -> int:
    """Measures, and writes results.json and the page."""
    parser = argparse.ArgumentParser(prog="make bench-drift", description="Measures evaluations of drift.")
    parser.add_argument("--rows", default="", help="numbers of rows, with commas; the others stay as they are")
    parser.add_argument(
        "--only", default="", help=f"of {', '.join(report.TITLES)}; everything then goes to build/bench/"
    )
    arguments = parser.parse_args()
    sizes = [int(float(each)) for each in arguments.rows.split(",")] if arguments.rows else list(_ROWS)
    only = arguments.only.split(",") if arguments.only else []
    folders = (_BUILD.parent,) * 2 if arguments.only else (_RESULTS.parent, _PAGE.parent)
    console.print("[bold]Drift benchmark[/bold]: one contestant at a time")
    try:
        check(only, report.TITLES)
        for rows in sizes:
            facts = described(command("bench-drift", arguments.rows, arguments.only), machine.describe())
            names = only or _ROWS.get(rows, tuple(report.TITLES))
            found: dict[str, Any] = {}
            for name, sample in measure(rows, names, _BUILD):
                found[name] = asdict(sample)
                # At once: what was measured stays, should the next not come to its end.
                page = _write(str(rows), {"run": facts, "measured": found}, *folders)
            print(page)  # noqa: T201 - a command's answer
    except BenchmarkError as error:
        console.print(f"[red]x[/red] {error}", markup=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    return 0


def _write(rows: str, found: dict[str, Any], numbers: Path, page: Path) -> str:
    """Puts what was found of so many rows beside what is known of others, measured before; gives the page."""
    file = numbers / _RESULTS.name
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    results = dict(sorted((known | {rows: found}).items(), key=lambda item: int(item[0])))
    return write(results, file, page / _PAGE.name, report.markdown)


if __name__ == "__main__":
    sys.exit(main())
