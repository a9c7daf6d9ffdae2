"""Data quality of a column, chunk by chunk: shares, against what the reference explains, and summary statistics."""

import math
from collections.abc import Sequence
from typing import Any, Final

from lifecycle.features import CategoricalFeature, Feature, NumericFeature
from scipy.stats import betabinom  # type: ignore[import-untyped] # SciPy ships no types

from drift.findings import Measure

_PROBABILITY: Final = 0.99865
"""Of a share at or below its threshold where nothing has changed: three standard deviations of a normal value."""


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


def column_quality(feature: Feature, reference: Any, values: Any, sizes: Sequence[int]) -> list[Measure]:  # noqa: ANN401 - pandas Series
    """Shares of missing, unseen and out-of-range values, and for numbers mean and standard deviation.

    Args:
        feature: what the manifest says of the column.
        reference: its values in the reference.
        values: those of the chunks, one after another.
        sizes: rows of each chunk.
    """
    known = _odd(feature, reference)
    limits = {
        (method, size): threshold(odd, len(reference), size) for size in set(sizes) for method, odd in known.items()
    }
    measures: list[Measure] = []
    first = 0
    for position, size in enumerate(sizes):
        part = values.iloc[first : first + size]
        first += size
        for method, odd in _odd(feature, part).items():
            share, limit = odd / size, limits[method, size]
            measures.append(
                Measure(position, "data_quality", feature.name, method, share, math.nan, limit, alert=share > limit)
            )
        if isinstance(feature, NumericFeature):
            measures.append(Measure(position, "data_quality", feature.name, "mean", float(part.mean())))
            measures.append(Measure(position, "data_quality", feature.name, "standard_deviation", float(part.std())))
    return measures


def _odd(feature: Feature, values: Any) -> dict[str, int]:  # noqa: ANN401 - a pandas Series
    missing = values.isna()
    found = {"missing": int(missing.sum())}
    if isinstance(feature, NumericFeature):
        found["out_of_range"] = int(((values < feature.minimum) | (values > feature.maximum)).sum())
    elif isinstance(feature, CategoricalFeature):
        found["unseen"] = int((~values.isin(feature.categories) & ~missing).sum())
    return found
