"""Data quality of a column, chunk by chunk: shares, against what the reference explains, and summary statistics."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from lifecycle.features import CategoricalFeature, Feature, NumericFeature
from scipy.stats import betabinom  # type: ignore[import-untyped] # SciPy ships no types

from drift.findings import Measure

_PROBABILITY: Final = 0.99865
"""Of a share at or below its threshold where nothing has changed: three standard deviations of a normal value."""


@lru_cache(maxsize=4096)  # a worker of a cluster lives for months
def threshold(odd: int, known: int, rows: int) -> float:
    """The largest share of a chunk that the reference explains.

    Of a reference without one odd row the next chunk may still have some: a numeric column meets a new extreme in one
    chunk of twenty, so an alert at the first would be noise. The number of odd rows is beta-binomial.

    Args:
        odd: odd rows of the reference.
        known: rows of the reference.
        rows: of the chunk.
    """
    return float(betabinom.ppf(_PROBABILITY, rows, odd + 1, known - odd + 1)) / rows


def odd_rows(feature: Feature, reference: Any) -> dict[str, int]:  # noqa: ANN401 - a pandas Series
    """How many rows of the reference are odd, by the way in which they are."""
    return {method: int(odd.sum()) for method, odd in _odd(feature, reference).items()}


def column_quality(
    feature: Feature,
    known: Mapping[str, int],
    known_rows: int,
    values: Any,  # noqa: ANN401 - a pandas Series
    sizes: Sequence[int],
) -> list[Measure]:
    """Shares of missing, unseen and out-of-range values, and for numbers mean and standard deviation.

    Args:
        feature: what the manifest says of the column.
        known: odd rows of the reference, as `odd_rows` tells.
        known_rows: rows of the reference.
        values: those of the chunks, one after another.
        sizes: rows of each chunk.
    """
    odd = _odd(feature, values)
    measures: list[Measure] = []
    first = 0
    for position, size in enumerate(sizes):
        part = slice(first, first + size)
        first += size
        for method, is_odd in odd.items():
            share, limit = int(is_odd[part].sum()) / size, threshold(known[method], known_rows, size)
            measures.append(
                Measure(position, "data_quality", feature.name, method, share, math.nan, limit, alert=share > limit)
            )
        if isinstance(feature, NumericFeature):
            numbers = values.iloc[part]
            measures.append(Measure(position, "data_quality", feature.name, "mean", float(numbers.mean())))
            measures.append(Measure(position, "data_quality", feature.name, "standard_deviation", float(numbers.std())))
    return measures


def _odd(feature: Feature, values: Any) -> dict[str, Any]:  # noqa: ANN401 - a pandas Series, arrays of booleans
    """Which rows are odd, in what way."""
    missing = values.isna().to_numpy()
    found = {"missing": missing}
    if isinstance(feature, NumericFeature):
        found["out_of_range"] = ((values < feature.minimum) | (values > feature.maximum)).to_numpy()
    elif isinstance(feature, CategoricalFeature):
        found["unseen"] = ~values.isin(feature.categories).to_numpy() & ~missing
    return found
