"""The machine that is measured on, and the two cores of it that are used."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path


class BenchmarkError(Exception):
    """The measurement cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Cores:
    """Which core runs the server and which the load generator and everything else."""

    server: int
    generator: int


def choose_cores() -> Cores:
    """The last two cores this process may use: the first one usually serves the machine's interrupts.

    Raises:
        BenchmarkError: there is only one.
    """
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:  # noqa: PLR2004 - one for the server, one for the load
        raise BenchmarkError(f"two cores are needed, one for the server and one for the load; usable: {usable}")
    return Cores(server=usable[-1], generator=usable[-2])


def describe() -> dict[str, object]:
    """What a reader has to know of the machine to place the numbers."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "cores": os.cpu_count(),
        "cpu": model,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average_at_start": round(os.getloadavg()[0], 1),
    }
