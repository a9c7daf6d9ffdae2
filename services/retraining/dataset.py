"""The training data: a CSV file read by the recipe into the matrix the model sees, oldest row first."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.features import BooleanFeature, CategoricalFeature, Feature, FeatureSchema, NumericFeature
from lifecycle.manifest import JsonScalar, TimeWindow
from pyarrow import csv

from retraining.recipe import BooleanColumn, CategoricalColumn, Column, NumericColumn, Recipe

Floats: TypeAlias = npt.NDArray[np.float64]

_MOMENT: Final = pa.timestamp("us")


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

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.labels)

    def slice(self, start: int, stop: int) -> "Dataset":
        """The rows from `start` up to `stop`; the schema stays that of the whole."""
        rows = slice(start, stop)
        table = self.table.slice(start, stop - start)
        return Dataset(self.schema, self.matrix[rows], self.labels[rows], self.moments[rows], table)

    def row(self, index: int) -> dict[str, JsonScalar]:
        """One row as a client would send it."""
        row: dict[str, JsonScalar] = self.table.slice(index, 1).to_pylist()[0]
        return row

    @property
    def sha256(self) -> str:
        """Of everything that training looks at."""
        digest = hashlib.sha256(self.schema.model_dump_json().encode())
        for part in (self.matrix, self.labels, self.moments.astype("datetime64[us]")):
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
    for name in (recipe.target, recipe.time_column):
        _refuse_nulls(table[name], name)
    table = table.sort_by(recipe.time_column)
    features, columns = [], []
    for column in recipe.features:
        values = table[column.name]
        if not column.nullable:
            _refuse_nulls(values, column.name)
        feature, encoded = _ENCODERS[type(column)](column, values)
        features.append(feature)
        columns.append(encoded)
    labels = _floats(table[recipe.target])
    if not np.isin(labels, (0.0, 1.0)).all() or np.unique(labels).size < 2:  # noqa: PLR2004 - binary
        message = f"{recipe.target}: the labels must be 0 and 1, both of them present"
        raise DatasetError(message)
    return Dataset(
        schema=FeatureSchema(features=tuple(features)),
        matrix=np.column_stack(columns),
        labels=labels,
        moments=table[recipe.time_column].to_numpy(),
        table=table.select([column.name for column in recipe.features]),
    )


def _read_columns(path: Path, recipe: Recipe) -> Any:  # noqa: ANN401 - an arrow table; pyarrow ships no types
    types = {column.name: _ARROW_TYPES[type(column)] for column in recipe.features}
    types |= {recipe.target: pa.float64(), recipe.time_column: _MOMENT}
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
    feature = CategoricalFeature(name=column.name, nullable=column.nullable, categories=column.categories)
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
