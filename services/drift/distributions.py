"""How the values of a column are distributed, in the reference and in a chunk, for people to look at."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # pandas ships no types
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types

from drift.partition import Partition

SCHEMA: Final = pa.schema(
    [
        ("chunk", pa.int64()),
        ("column", pa.string()),
        ("place", pa.int64()),
        ("value", pa.string()),
        ("reference", pa.float64()),
        ("now", pa.float64()),
    ]
)
"""Shares of the rows of the reference and of the chunk that have the value, or one within the interval."""

MISSING: Final = "missing"
_INTERVALS: Final = 20
_VALUES: Final = 30
"""Of a category the most frequent ones are told, the rest together."""


def distributions(reference: Any, partition: Partition) -> Any | None:  # noqa: ANN401 - a pandas frame, a pyarrow table
    """Of the newest chunk that is measured, of every column but the label and the predicted class; None of no chunk."""
    if not partition.measured:
        return None
    rows = partition.newest
    found = [
        {
            "chunk": partition.measured[-1].index,
            "column": str(name).removeprefix("feature."),
            "place": place,
            "value": value,
            "reference": was,
            "now": now,
        }
        for name in rows.columns
        if name in reference and name not in {"label", "predicted"}
        for place, (value, was, now) in enumerate(_shares(reference[name], rows[name]))
    ]
    return pa.Table.from_pylist(found, SCHEMA)


def _shares(reference: Any, values: Any) -> Iterator[tuple[str, float, float]]:  # noqa: ANN401 - pandas Series
    if pd.api.types.is_numeric_dtype(reference):
        yield from _interval_shares(reference, values)
    else:
        yield from _value_shares(reference, values)
    if reference.isna().any() or values.isna().any():
        yield MISSING, float(reference.isna().mean()), float(values.isna().mean())


def _interval_shares(reference: Any, values: Any) -> Iterator[tuple[str, float, float]]:  # noqa: ANN401 - pandas Series
    """Intervals of equal width over the middle 99 % of the reference, and what lies beyond on either side."""
    known = reference.to_numpy(float)
    present = known[np.isfinite(known)]
    if not len(present):
        return
    low, high = np.quantile(present, [0.005, 0.995])
    edges = np.concatenate([[-np.inf], np.linspace(low, high, _INTERVALS - 1), [np.inf]])
    if low == high:
        edges = np.array([-np.inf, low, np.nextafter(low, np.inf), np.inf])
    was, now = (np.histogram(part[np.isfinite(part)], edges)[0] / len(part) for part in (known, values.to_numpy(float)))
    for place in range(len(edges) - 1):
        yield _interval(edges[place], edges[place + 1]), float(was[place]), float(now[place])


def _interval(low: float, high: float) -> str:
    if np.isneginf(low):
        return f"below {_short(high)}"
    return f"from {_short(low)}" if np.isposinf(high) else f"{_short(low)} to {_short(high)}"


def _short(number: float) -> str:
    """As 1234567 or 0.0123: four digits, and no exponent where people need none."""
    return f"{number:.0f}" if 1e4 <= abs(number) < 1e9 else f"{number:.4g}"  # noqa: PLR2004 - where `g` begins with exponents


def _value_shares(reference: Any, values: Any) -> Iterator[tuple[str, float, float]]:  # noqa: ANN401 - pandas Series
    was, now = (part.value_counts().divide(len(part)) for part in (reference, values))
    frequent = was.add(now, fill_value=0).sort_values(ascending=False).index
    for value in frequent[:_VALUES]:
        yield str(value), float(was.get(value, 0.0)), float(now.get(value, 0.0))
    if len(frequent) > _VALUES:
        rest = frequent[_VALUES:]
        yield f"{len(rest)} others", float(was.reindex(rest).sum()), float(now.reindex(rest).sum())
