"""LightGBM's C calls without the Python package's wrapping: one row in half the time of `Booster.predict`, or less.

The symbols are private to the package, so everything is looked up once, at load, and whoever uses this compares its
answers with those of `Booster.predict` before it serves.
"""

import ctypes
from typing import Final

import lightgbm as lgb

_FLOAT64: Final = 1
_ROW_MAJOR: Final = 1
_NORMAL: Final = 0
_FIRST_TREE: Final = 0
_ALL_TREES: Final = -1
_PARAMETERS: Final = b"num_threads=1"
"""A pod has one core, and OpenMP's hand-over costs more than a row does."""

_INIT: Final = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int32,
    ctypes.c_char_p,
    ctypes.c_void_p,
)
# Keeps the interpreter's lock, as no other does: 12 us are not worth letting a batch's thread in for 5 ms.
_ROW: Final = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
_ROWS: Final = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_int32,
    ctypes.c_int32,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
)
_FREE: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


class FastCallError(Exception):
    """The C calls are not there, or one of them failed."""


class FastBooster:
    """The C calls of one booster."""

    def __init__(self, booster: lgb.Booster, outputs: int) -> None:
        """Prepares the calls.

        Args:
            booster: kept alive as long as this is.
            outputs: how many numbers it gives for a row.

        Raises:
            FastCallError: this LightGBM has no such calls.
        """
        self._booster: Final = booster
        self._outputs: Final = outputs
        self._columns: Final = booster.num_feature()
        self._config = ctypes.c_void_p()
        try:
            library = lgb.basic._LIB  # type: ignore[attr-defined] # private, so pinned and compared at load
            self._handle: Final = booster._handle.value
            init = _INIT(("LGBM_BoosterPredictForMatSingleRowFastInit", library))
            self._row: Final = _ROW(("LGBM_BoosterPredictForMatSingleRowFast", library))
            self._rows: Final = _ROWS(("LGBM_BoosterPredictForMat", library))
            self._free: Final = _FREE(("LGBM_FastConfigFree", library))
        except AttributeError as error:
            message = f"LightGBM {lgb.__version__} lacks a C call"
            raise FastCallError(message) from error
        # Written by every call on one row: that call is for one thread alone.
        self._row_output: Final = (ctypes.c_double * outputs)()
        self._row_length: Final = ctypes.c_int64()
        _check(
            init(
                self._handle,
                _NORMAL,
                _FIRST_TREE,
                _ALL_TREES,
                _FLOAT64,
                self._columns,
                _PARAMETERS,
                ctypes.addressof(self._config),
            )
        )
        self._row_arguments: Final = (ctypes.addressof(self._row_length), ctypes.addressof(self._row_output))
        self._config_handle: Final = self._config.value

    def predict_row(self, vector: bytes) -> list[float]:
        """The outputs for one row of float64. From one thread only: the call has buffers of its own."""
        if self._row(self._config_handle, vector, *self._row_arguments):
            _check(-1)
        return self._row_output[:]

    def predict_rows(self, vectors: bytes, rows: int) -> list[float]:
        """The outputs for rows of float64, row after row. From any thread."""
        output = (ctypes.c_double * (rows * self._outputs))()
        length = ctypes.c_int64()
        _check(
            self._rows(
                self._handle,
                vectors,
                _FLOAT64,
                rows,
                self._columns,
                _ROW_MAJOR,
                _NORMAL,
                _FIRST_TREE,
                _ALL_TREES,
                _PARAMETERS,
                ctypes.addressof(length),
                ctypes.addressof(output),
            )
        )
        return output[:]

    def __del__(self) -> None:
        """Gives the C side's buffers back: a swap must not leak them."""
        if self._config.value:
            self._free(self._config)


def _check(status: int) -> None:
    if status:
        message = "LightGBM's C call failed"
        raise FastCallError(message)
