"""What benchmarks that run programs of ours share: a run with what it used, a Dask cluster, and where results go."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from distributed import LocalCluster

from benchmarks.serving import environments
from benchmarks.serving.machine import BenchmarkError
from toolchain.paths import REPOSITORY


@dataclass(frozen=True)
class Sample:
    """What one contestant took.

    Attributes:
        wall_seconds: that passed.
        cpu_seconds: of processor time, of all its processes.
        peak_mib: of resident memory, of its largest process.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float


def run(arguments: Sequence[str], variables: Mapping[str, str]) -> tuple[dict[str, Any], resource.struct_rusage, float]:
    """Runs a module in a process of its own; gives its answer, what it used and the seconds that passed."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=REPOSITORY, env=environment(variables), stdout=subprocess.PIPE
    )
    if process.stdout is None:
        raise BenchmarkError("a pipe was asked for and is not there")
    answer = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if process.returncode:
        raise BenchmarkError(f"{' '.join(arguments)} ended with status {process.returncode}")
    found: dict[str, Any] = json.loads(answer)
    return found, usage, wall


@contextmanager
def dask_cluster(workers: int, variables: Mapping[str, str]) -> Iterator[LocalCluster]:
    """Workers as the stack has them, one thread each, with what the image sets."""
    before = dict(os.environ)
    os.environ.update(environment(variables))
    try:
        with LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, memory_limit="2GiB", dashboard_address=None
        ) as cluster:
            yield cluster
    finally:
        os.environ.clear()
        os.environ.update(before)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """As in the images."""
    own = {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'services'}", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return dict(os.environ) | own | dict(variables)


def peak_mib(process: psutil.Process) -> float:
    """Of resident memory, so far."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def command(name: str, rows: str, only: str) -> str:
    """What was entered."""
    return f"make {name}" + (f" ROWS={rows}" if rows else "") + (f" ONLY={only}" if only else "")


def check(names: Sequence[str], known: Collection[str]) -> None:
    """Refuses contestants that there are not.

    Raises:
        BenchmarkError: with those that there are.
    """
    if unknown := set(names) - set(known):
        raise BenchmarkError(f"ONLY names {', '.join(sorted(unknown))}; there are {', '.join(known)}")


def described(command: str, machine_facts: dict[str, object]) -> dict[str, Any]:
    """When, what and where was measured."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": environments.commit(),
        "command": command,
        "machine": machine_facts,
    }


def write(results: dict[str, Any], numbers: Path, page: Path, markdown: Callable[[Any], str]) -> str:
    """Writes results.json and the page that is made of it; gives the page."""
    for file in (numbers, page):
        file.parent.mkdir(parents=True, exist_ok=True)
    rounded = json.loads(json.dumps(results), parse_float=lambda text: float(f"{float(text):.5g}"))
    numbers.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
    text = markdown(rounded)
    page.write_text(text, encoding="utf-8")
    return text


def row(cells: Sequence[str]) -> str:
    """Of a table of a page."""
    return f"| {' | '.join(cells)} |"
