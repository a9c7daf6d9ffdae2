"""The thirty features of the rows that the benchmarks of drift and of training make."""

from typing import Final

from lifecycle.features import CategoricalFeature, FeatureSchema, NumericFeature

NUMERIC: Final = tuple(f"number_{place:02d}" for place in range(24))
CATEGORICAL: Final = tuple(f"word_{place:02d}" for place in range(6))
FEATURES: Final = len(NUMERIC) + len(CATEGORICAL)
WORDS: Final = tuple(f"w{place}" for place in range(8))


def schema(extent: float) -> FeatureSchema:
    """All of them, the numbers from minus an extent to plus it; each may be missing."""
    return FeatureSchema(
        features=(
            *(NumericFeature(name=name, nullable=True, minimum=-extent, maximum=extent) for name in NUMERIC),
            *(CategoricalFeature(name=name, nullable=True, categories=WORDS) for name in CATEGORICAL),
        )
    )
