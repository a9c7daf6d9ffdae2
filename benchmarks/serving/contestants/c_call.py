"""LightGBM's C calls through ctypes: what is left when there is no server, no JSON and no checking."""

import argparse
import ctypes
import json
import os
import time
from collections.abc import Callable
from typing import Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from lightgbm.basic import _LIB, _safe_call

from benchmarks.serving.workload import BATCH_ROWS, SINGLE_ROWS, read_matrix

_FLOAT64: Final = 1
_ROW_MAJOR: Final = 1
_NORMAL: Final = 0
_PARAMETERS: Final = ctypes.c_char_p(b"num_threads=1")

Floats = npt.NDArray[np.float64]


def single_row_call(booster: lgb.Booster, rows: Floats) -> Callable[[int], float]:
    """A function that gives the probability of one of these rows by its number, by one C call."""
    config = ctypes.c_void_p()
    columns = ctypes.c_int32(rows.shape[1])
    initial = (ctypes.c_int(_NORMAL), ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_int(_FLOAT64))
    _safe_call(
        _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster._handle,
            *initial,
            columns,
            _PARAMETERS,
            ctypes.byref(config),
        )
    )
    call = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)(("LGBM_BoosterPredictForMatSingleRowFast", _LIB))
    output, length = ctypes.c_double(), ctypes.c_int64()
    addresses = [rows.ctypes.data + index * rows.strides[0] for index in range(len(rows))]
    output_address, length_address = ctypes.addressof(output), ctypes.addressof(length)

    def score(index: int) -> float:
        # The names of the closure keep the memory behind the addresses.
        if call(config, addresses[index], length_address, output_address) != 0 or length.value != 1 or booster is None:
            raise RuntimeError("LightGBM's single-row call failed")
        return output.value

    return score


def matrix_call(booster: lgb.Booster, matrix: Floats) -> Callable[[], Floats]:
    """A function that gives the probabilities of this matrix, by one C call."""
    output = np.empty(len(matrix))
    length = ctypes.c_int64()

    def score() -> Floats:
        _safe_call(
            _LIB.LGBM_BoosterPredictForMat(
                booster._handle,
                ctypes.c_void_p(matrix.ctypes.data),
                ctypes.c_int(_FLOAT64),
                ctypes.c_int32(matrix.shape[0]),
                ctypes.c_int32(matrix.shape[1]),
                ctypes.c_int(_ROW_MAJOR),
                ctypes.c_int(_NORMAL),
                ctypes.c_int(0),
                ctypes.c_int(-1),
                _PARAMETERS,
                ctypes.byref(length),
                output.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
            )
        )
        return output

    return score


def measure(call: Callable[[int], object], count: int, seconds: float) -> dict[str, float]:
    """Calls in turn for so long.

    Args:
        call: takes the number of the input.
        count: how many inputs there are.
        seconds: for how long.
    """
    now = time.perf_counter_ns
    taken_ns: list[int] = []
    started, cpu_started = now(), time.process_time()
    end = started + int(seconds * 1e9)
    index, last = 0, started
    while last < end:
        call(index)
        index = index + 1 if index + 1 < count else 0
        before, last = last, now()
        taken_ns.append(last - before)
    cpu_us = (time.process_time() - cpu_started) / len(taken_ns) * 1e6
    p50_ns, p99_ns = np.percentile(taken_ns, (50, 99))
    rate = len(taken_ns) / (last - started) * 1e9
    return {"requests_per_second": rate, "p50_ms": p50_ns / 1e6, "p99_ms": p99_ns / 1e6, "cpu_us": cpu_us, "errors": 0}


def main() -> None:
    """Checks both calls against `Booster.predict`, measures one of them, and prints the result as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, choices=(1, BATCH_ROWS), required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    booster = lgb.Booster(model_file=os.environ["BENCH_MODEL_FILE"])
    rows = read_matrix()[:SINGLE_ROWS]
    expected = booster.predict(rows, num_threads=1)
    score = single_row_call(booster, rows)
    if [score(index) for index in range(len(rows))] != expected.tolist():
        raise SystemExit("the single-row call does not give what Booster.predict gives")
    blocks = [rows[start : start + BATCH_ROWS].copy() for start in range(0, len(rows), BATCH_ROWS)]
    calls = [matrix_call(booster, block) for block in blocks]
    if np.concatenate([call().copy() for call in calls]).tolist() != expected.tolist():
        raise SystemExit("the matrix call does not give what Booster.predict gives")
    if arguments.rows == 1:
        result = measure(score, len(rows), arguments.seconds)
    else:
        result = measure(lambda index: calls[index](), len(calls), arguments.seconds)
    print(json.dumps(result))  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
