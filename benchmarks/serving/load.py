"""The load generator, wrk: one thread in C, keep-alive connections, bodies in turn."""

import json
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from benchmarks.serving.machine import BenchmarkError

CONNECTIONS: Final = 32
_SCRIPT: Final = Path(__file__).with_name("wrk.lua")
_ERRORS: Final = ("connect", "read", "write", "status", "timeout")
_GRACE_SECONDS: Final = 20


@dataclass(frozen=True)
class Sample:
    """One measurement of one contestant.

    Attributes:
        requests_per_second: answers a second, those that are errors not counted.
        p50_ms: median latency in milliseconds.
        p99_ms: 99th percentile of the latency in milliseconds.
        errors: connections, reads, writes and timeouts that failed, and answers of status 400 and above.
        cpu_us: processor time of the server for one request, in microseconds. Unlike the rate it hardly depends on what
            else the machine does.
        generator_busy: share of its core that the load generator used, 0 to 1; none where there is no generator.
    """

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_us: float
    generator_busy: float | None = None


def parse(output: str, server_seconds: float, generator_seconds: float) -> Sample:
    """Reads what wrk.lua prints last.

    Args:
        output: all that wrk printed.
        server_seconds: processor time that the server took.
        generator_seconds: processor time that wrk took.

    Raises:
        BenchmarkError: it is not there, or wrk got no answer at all.
    """
    line = next((line for line in reversed(output.splitlines()) if line.startswith("{")), None)
    if line is None:
        raise BenchmarkError(f"the load generator printed no result; it printed: {output.strip()[-500:]}")
    found = json.loads(line)
    errors = sum(found[kind] for kind in _ERRORS)
    good = found["requests"] - found["status"]
    if good <= 0:
        raise BenchmarkError(f"the load generator got no good answer: {line}")
    seconds = found["duration_us"] / 1e6
    return Sample(
        requests_per_second=good / seconds,
        p50_ms=found["p50_us"] / 1e3,
        p99_ms=found["p99_us"] / 1e3,
        errors=errors,
        cpu_us=server_seconds / found["requests"] * 1e6,
        generator_busy=round(generator_seconds / seconds, 3),
    )


def generate(wrk: Path, core: int, url: str, bodies: Path, seconds: int) -> Sample:
    """Loads the server, which has to be the only child of this process, for so many seconds.

    Raises:
        BenchmarkError: wrk fails, or gets no answer.
    """
    command = ["taskset", "--cpu-list", str(core), str(wrk), "--threads", "1", "--connections", str(CONNECTIONS)]
    command += ["--duration", f"{seconds}s", "--timeout", "10s", "--script", str(_SCRIPT), url, "--", str(bodies)]
    served = _server_seconds()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + _GRACE_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise BenchmarkError(f"wrk ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-500:]}")
    return parse(
        done.stdout, _server_seconds() - served, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    )


def _server_seconds() -> float:
    """The processor time that the processes of the server took so far."""
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return sum(found.user + found.system for found in times)
