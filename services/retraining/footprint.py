"""What a model costs whoever serves it, and whether the calls that serve it answer as the library does."""

import ctypes
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import lightgbm as lgb
import numpy as np
from lifecycle.fast_booster import FastBooster, FastCallError

from retraining.quality import Floats

_TIMED_ROWS: Final = 500
_COPIES: Final = 8
"""Models loaded at once to see what one takes: the first may fit into memory that was free already."""

_malloc_trim: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""glibc's: memory that training freed would take the copies without the process growing."""

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Footprint:
    """Measured on this machine."""

    row_microseconds: float
    """The median of one row at a time."""
    memory_mib: float
    """What the process grew by for each copy of the model."""


def measure_footprint(text: str, matrix: Floats) -> Footprint | None:
    """Times the fast call and weighs the loaded model; None where this LightGBM has no such call.

    Args:
        text: the model file.
        matrix: rows to time, at least one.
    """
    if _malloc_trim is not None:
        _malloc_trim(0)
    before = _resident_bytes()
    copies = [lgb.Booster(model_str=text) for _ in range(_COPIES)]
    memory_mib = max(0, _resident_bytes() - before) / _COPIES / _MIB
    try:
        fast = FastBooster(copies[0], outputs=1)
    except FastCallError:
        return None
    vectors = _vectors(matrix[:_TIMED_ROWS])
    for vector in vectors:
        fast.predict_row(vector)
    seconds = []
    for vector in vectors:
        started = time.perf_counter()
        fast.predict_row(vector)
        seconds.append(time.perf_counter() - started)
    return Footprint(row_microseconds=float(np.median(seconds)) * 1e6, memory_mib=memory_mib)


def fast_answers(text: str, matrix: Floats) -> Floats | None:
    """What the fast call answers for each row; None where this LightGBM has no such call."""
    try:
        fast = FastBooster(lgb.Booster(model_str=text), outputs=1)
    except FastCallError:
        return None
    return np.array([fast.predict_row(vector)[0] for vector in _vectors(matrix)])


def _vectors(matrix: Floats) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(matrix, dtype=np.float64)]


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
