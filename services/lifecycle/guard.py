"""The input guard: how far a row lies from those that a model was trained on, by all of its numbers together.

Each value may lie in its range and the row still be like no other: a small sum, late at night, far from home. The
measure is Mahalanobis's distance from the medians, of values squeezed so that heavy tails count as far but not as
all there is. It needs the manifest alone, and takes 25 us a row: about what the rest of a request takes, so a model has
one only where its recipe asks for it.
"""

from functools import cached_property
from typing import Annotated, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lifecycle.features import FeatureSchema, NumericFeature

Floats = npt.NDArray[np.float64]

_QUARTILES_OF_NORMAL: Final = 1.349
"""The distance of the quartiles of a normal distribution, in its standard deviations."""
_RIDGE: Final = 1e-3
"""Added to each variance, so that columns that say the same twice can be told from noise."""


class InputGuard(BaseModel):
    """What is needed to measure a row, found from the rows of training."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    columns: Annotated[tuple[int, ...], Field(min_length=1)]
    """Of the model's vector: the numeric ones."""
    centre: tuple[float, ...]
    """The medians."""
    scale: tuple[float, ...]
    """What counts as one step from the centre."""
    moments: tuple[tuple[float, ...], ...]
    """How the columns go together: the mean products of their squeezed steps."""
    limit: Annotated[float, Field(gt=0)]
    """The distance from which on a row is unusual."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        widths = {len(self.centre), len(self.scale), len(self.moments), *map(len, self.moments)}
        if widths != {len(self.columns)} or min(self.scale) <= 0:
            message = "guard: centre, scale and moments need a value for each column, those of scale above 0"
            raise ValueError(message)
        return self

    def scores(self, matrix: Floats) -> Floats:
        """Of each row its distance, in limits: above 1 it is unusual. What is missing is left out of it."""
        return self._measure.distances(matrix) / self.limit

    @cached_property
    def _measure(self) -> "_Measure":
        arrays = (np.array(part) for part in (self.columns, self.centre, self.scale, self.moments))
        return _Measure(*arrays)


def fit_guard(matrix: Floats, schema: FeatureSchema, margin: float) -> InputGuard:
    """The guard of these rows of training.

    Args:
        matrix: the rows as the model sees them.
        schema: of the model, with at least one numeric feature.
        margin: how many times the distance of the furthest of these rows is still usual.

    Raises:
        ValueError: there is no numeric feature.
    """
    columns = np.array([i for i, feature in enumerate(schema.features) if isinstance(feature, NumericFeature)], int)
    if not columns.size:
        message = "a guard needs a numeric feature"
        raise ValueError(message)
    numbers = matrix[:, columns]
    low, centre, high = np.nanquantile(numbers, [0.25, 0.5, 0.75], axis=0)
    scale = (high - low) / _QUARTILES_OF_NORMAL
    # A column whose middle half is one value: its deviation, and where that is nothing too, its own unit.
    scale = np.where(scale > 0, scale, np.nanstd(numbers, axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    steps = np.nan_to_num(_squeezed(numbers, centre, scale), nan=0.0)
    moments = steps.T @ steps / len(steps) + _RIDGE * np.eye(len(columns))
    furthest = float(_Measure(columns, centre, scale, moments).distances(matrix).max())
    return InputGuard(
        columns=tuple(map(int, columns)),
        centre=tuple(map(float, centre)),
        scale=tuple(map(float, scale)),
        moments=tuple(tuple(map(float, row)) for row in moments),
        limit=max(furthest, 1.0) * margin,
    )


class _Measure:
    """The parts of a guard as arrays."""

    def __init__(self, columns: npt.NDArray[np.int64], centre: Floats, scale: Floats, moments: Floats) -> None:
        self._columns = columns
        self._centre = centre
        self._scale = scale
        self._moments = moments
        # Takes what the columns have in common out of them: then the distance is that of a plain vector.
        self._whitening = np.linalg.inv(np.linalg.cholesky(moments)).T

    def distances(self, matrix: Floats) -> Floats:
        """Of each row."""
        steps = _squeezed(matrix[:, self._columns], self._centre, self._scale)
        found: Floats = np.sqrt(np.square(steps @ self._whitening).sum(axis=1))
        for row in np.flatnonzero(np.isnan(found)).tolist():
            present = ~np.isnan(steps[row])
            values = steps[row, present]
            found[row] = np.sqrt(values @ np.linalg.solve(self._moments[np.ix_(present, present)], values))
        return found


def _squeezed(numbers: Floats, centre: Floats, scale: Floats) -> Floats:
    # A difference may overflow where both ends are extreme: asinh would be infinite, and the distance no number.
    with np.errstate(over="ignore"):
        steps: Floats = np.arcsinh(np.clip((numbers - centre) / scale, -1e300, 1e300))
    return steps
