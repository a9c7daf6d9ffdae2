"""How long the service takes to answer while an evaluation runs beside it."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.drift import workload
from benchmarks.serving.machine import BenchmarkError
from toolchain.paths import REPOSITORY

_PORT: Final = 18_766
_PAUSE_SECONDS: Final = 0.01
_PATIENCE_SECONDS: Final = 600
_EVALUATED: Final = f'drift_last_evaluation_timestamp_seconds{{model="{workload.MODEL}"}}'
"""In the metrics once the first evaluation has ended well."""


@dataclass(frozen=True)
class Asked:
    """What came of it.

    Attributes:
        wall_seconds: from the start to the end of the first evaluation.
        cpu_seconds: of the service and the evaluation.
        peak_mib: of the larger one of them.
        p99_milliseconds: of the answers of `/metrics` and `/live`.
        answers: how many there were.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    p99_milliseconds: float
    answers: int


def ask(environment: Mapping[str, str]) -> Asked:
    """Starts the service and asks it, one request after another, until it has evaluated what there is.

    Raises:
        BenchmarkError: it ended, or did not evaluate in ten minutes.
    """
    address = {"DRIFT_LISTEN_HOST": "127.0.0.1", "DRIFT_LISTEN_PORT": str(_PORT), "DRIFT_LOG_LEVEL": "ERROR"}
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "drift"], cwd=REPOSITORY, env=dict(environment) | address)
    took: list[float] = []
    try:
        while _EVALUATED not in _answer("/metrics", took):
            _answer("/live", took)
            if process.poll() is not None or time.perf_counter() - began > _PATIENCE_SECONDS:
                raise BenchmarkError(f"the service did not evaluate in {_PATIENCE_SECONDS} s, or ended")
            time.sleep(_PAUSE_SECONDS)
        wall = time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    p99 = sorted(took)[len(took) * 99 // 100]
    return Asked(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, 1000 * p99, len(took))


def _answer(path: str, took: list[float]) -> str:
    """What the service says, nothing before it listens; notes how long it took."""
    connection = http.client.HTTPConnection("127.0.0.1", _PORT, timeout=_PATIENCE_SECONDS)
    began = time.perf_counter()
    try:
        connection.request("GET", path)
        answer = connection.getresponse().read().decode()
    except ConnectionRefusedError:
        return ""
    finally:
        connection.close()
    took.append(time.perf_counter() - began)
    return answer
