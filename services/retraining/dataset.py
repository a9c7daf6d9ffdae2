"""The training data: a CSV file read by the recipe into the matrix the model sees, oldest row first."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.features import BooleanFeature, CategoricalFeature, Feature, FeatureSchema, NumericFeature
from lifecycle.manifest import JsonScalar, TimeWindow
from pyarrow import csv

from retraining.quality import Floats, Groups, lists
from retraining.recipe import BooleanColumn, CategoricalColumn, Column, NumericColumn, Recipe

_MOMENT: Final = pa.timestamp("us")
_MOST_RELEVANT: Final = 30
"""LightGBM's largest label of a ranking."""


class DatasetError(ValueError):
    """The data does not fit the recipe."""


@dataclass(frozen=True)
class Dataset:
    """Rows in order of time: as the model sees them, as they were, their labels and their moments."""

    schema: FeatureSchema
    matrix: Floats
    labels: Floats
    moments: npt.NDArray[np.datetime64]
    table: Any
    """The features as they were: a pyarrow Table."""
    groups: Groups | None = None
    """Ranking: which rows are candidates of one request; they follow each other."""

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.labels)

    def slice(self, start: int, stop: int) -> "Dataset":
        """The rows from `start` up to `stop`; the schema stays that of the whole."""
        rows = slice(start, stop)
        table = self.table.slice(start, stop - start)
        groups = None if self.groups is None else self.groups[rows]
        return Dataset(self.schema, self.matrix[rows], self.labels[rows], self.moments[rows], table, groups)

    def list_start(self, row: int) -> int:
        """The first row of the list that a row belongs to; without lists the row itself."""
        if self.groups is None or row >= len(self):
            return row
        return int(np.searchsorted(self.groups, self.groups[row]))

    @property
    def tells_apart(self) -> bool:
        """Whether the labels differ, those of one list where there are lists: else there is nothing to learn."""
        if self.groups is None:
            return bool(np.unique(self.labels).size > 1)
        return any(np.ptp(self.labels[part]) > 0 for part in lists(self.groups))

    def row(self, index: int) -> dict[str, JsonScalar]:
        """One row as a client would send it."""
        row: dict[str, JsonScalar] = self.table.slice(index, 1).to_pylist()[0]
        return row

    @property
    def sha256(self) -> str:
        """Of everything that training looks at."""
        digest = hashlib.sha256(self.schema.model_dump_json().encode())
        groups = () if self.groups is None else (self.groups,)
        for part in (self.matrix, self.labels, self.moments.astype("datetime64[us]"), *groups):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    @property
    def window(self) -> TimeWindow:
        """The moments of the first and the last row."""
        return TimeWindow(start=_utc(self.moments[0]), end=_utc(self.moments[-1]))


def read_dataset(path: Path, recipe: Recipe) -> Dataset:
    """Reads a CSV file.

    Raises:
        DatasetError: a column is missing, empty, of the wrong type or holds what the recipe does not allow.
    """
    table = _read_columns(path, recipe)
    if table.num_rows == 0:
        message = f"{path} has no rows"
        raise DatasetError(message)
    return encode(table, recipe)


def encode(table: Any, recipe: Recipe) -> Dataset:  # noqa: ANN401 - an arrow table; pyarrow ships no types
    """What the model sees of a table that has the recipe's columns and at least one row.

    Raises:
        DatasetError: a column has no value at all or holds what the recipe does not allow.
    """
    order = [name for name in (recipe.time_column, recipe.group_column) if name is not None]
    for name in (recipe.target, *order):
        _refuse_nulls(table[name], name)
    table = table.sort_by([(name, "ascending") for name in order])
    features, columns = [], []
    for column in recipe.features:
        values = table[column.name]
        if not column.nullable:
            _refuse_nulls(values, column.name)
        feature, encoded = _ENCODERS[type(column)](column, values)
        features.append(feature)
        columns.append(encoded)
    dataset = Dataset(
        schema=FeatureSchema(features=tuple(features)),
        matrix=np.column_stack(columns),
        labels=_floats(table[recipe.target]),
        moments=table[recipe.time_column].to_numpy(),
        table=table.select([column.name for column in recipe.features]),
        groups=None if recipe.group_column is None else _groups(table[recipe.group_column], recipe.group_column),
    )
    wanted, fits = _LABELS[recipe.objective]
    if not fits(dataset.labels).all() or not dataset.tells_apart:
        message = f"{recipe.target}: the labels must be {wanted}"
        raise DatasetError(message)
    return dataset


def _read_columns(path: Path, recipe: Recipe) -> Any:  # noqa: ANN401 - an arrow table; pyarrow ships no types
    types = column_types(recipe)
    try:
        return csv.read_csv(
            path,
            convert_options=csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, OSError) as error:
        message = f"{path}: {str(error).splitlines()[0]}"
        raise DatasetError(message) from None


def column_types(recipe: Recipe) -> dict[str, Any]:
    """The arrow type of each column of a recipe's data."""
    types = {column.name: _ARROW_TYPES[type(column)] for column in recipe.features}
    types |= {recipe.target: pa.float64(), recipe.time_column: _MOMENT}
    return types if recipe.group_column is None else types | {recipe.group_column: pa.string()}


def labels_fit(recipe: Recipe, labels: Floats) -> npt.NDArray[np.bool_]:
    """Which labels are such as the recipe's objective has."""
    return _LABELS[recipe.objective][1](labels)


def labels_wanted(recipe: Recipe) -> str:
    """What the labels must be, in words."""
    return _LABELS[recipe.objective][0]


def _groups(values: Any, name: str) -> Groups:  # noqa: ANN401 - an arrow column
    """Numbers the lists in order of time.

    Raises:
        DatasetError: the rows of one list are of different moments, with others in between.
    """
    codes: Groups = values.combine_chunks().dictionary_encode().indices.to_numpy()
    if (np.diff(codes) < 0).any():
        message = f"{name}: the rows of a list must have one moment"
        raise DatasetError(message)
    return codes.astype(np.int64)


def _numeric(column: Column, values: Any) -> tuple[Feature, Floats]:  # noqa: ANN401 - an arrow column
    encoded = _floats(values)
    present = encoded[~np.isnan(encoded)]
    if present.size == 0 or np.isinf(present).any():
        message = f"{column.name}: needs at least one value, and all of them finite"
        raise DatasetError(message)
    low, high = float(present.min()), float(present.max())
    return NumericFeature(name=column.name, nullable=column.nullable, minimum=low, maximum=high), encoded


def _boolean(column: Column, values: Any) -> tuple[Feature, Floats]:  # noqa: ANN401 - an arrow column
    return BooleanFeature(name=column.name, nullable=column.nullable), _floats(values)


def _categorical(column: Column, values: Any) -> tuple[Feature, Floats]:  # noqa: ANN401 - an arrow column
    if not isinstance(column, CategoricalColumn):
        raise TypeError(column)
    codes = pc.index_in(values, value_set=pa.array(column.categories))
    unknown = pc.unique(values.filter(pc.and_(pc.is_null(codes), pc.is_valid(values)))).to_pylist()
    if unknown:
        message = f"{column.name}: {unknown[0]!r} is none of the recipe's categories {list(column.categories)}"
        raise DatasetError(message)
    feature = CategoricalFeature(
        name=column.name, nullable=column.nullable, categories=column.categories, unseen=column.unseen
    )
    return feature, _floats(codes)


def _floats(values: Any) -> Floats:  # noqa: ANN401 - an arrow column
    """The values as float64, null as NaN."""
    numbers: Floats = values.cast(pa.float64()).to_numpy()
    return numbers


def _refuse_nulls(values: Any, name: str) -> None:  # noqa: ANN401 - an arrow column
    if values.null_count:
        message = f"{name}: {values.null_count} values are missing, and the recipe does not call it nullable"
        raise DatasetError(message)


def _utc(moment: np.datetime64) -> datetime:
    naive: datetime = moment.astype("datetime64[us]").item()
    return naive.replace(tzinfo=UTC)


_LABELS: Final[dict[str, tuple[str, Callable[[Floats], npt.NDArray[np.bool_]]]]] = {
    "binary": ("0 and 1, both of them present", lambda labels: np.isin(labels, (0.0, 1.0))),
    "regression": ("finite numbers that differ", np.isfinite),
    "ranking": (
        f"whole numbers from 0 to {_MOST_RELEVANT} that differ within a list",
        lambda labels: np.isin(labels, np.arange(_MOST_RELEVANT + 1)),
    ),
}
_ENCODERS: Final[dict[type, Callable[[Column, Any], tuple[Feature, Floats]]]] = {
    NumericColumn: _numeric,
    BooleanColumn: _boolean,
    CategoricalColumn: _categorical,
}
_ARROW_TYPES: Final[dict[type, Any]] = {
    NumericColumn: pa.float64(),
    BooleanColumn: pa.bool_(),
    CategoricalColumn: pa.string(),
}
