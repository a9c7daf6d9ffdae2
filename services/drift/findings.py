"""What an evaluation finds: one row for each chunk, family, column and method."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.prediction_log import MOMENT

Family: TypeAlias = Literal[
    "univariate", "multivariate", "data_quality", "estimated_performance", "realized_performance"
]
Condition: TypeAlias = Literal[
    "no_champion",
    "no_reference",
    "no_data",
    "too_few_rows",
    "one_class",
    "no_estimator",
    "no_labels",
    "store_unavailable",
    "broken_parts",
]
CONDITIONS: Final[tuple[Condition, ...]] = get_args(Condition)

Cause: TypeAlias = Literal[
    "calculation", "cluster_unavailable", "crashed", "model_refused", "store_unavailable", "timeout"
]
CAUSES: Final[tuple[Cause, ...]] = get_args(Cause)
"""Why an evaluation failed, or a part of it (`calculation`: the others went on)."""

CHUNK_COLUMNS: Final = ("chunk", "start", "first_id", "end", "last_id", "rows")
_NUMBERS: Final = ("value", "lower_threshold", "upper_threshold", "lower_confidence", "upper_confidence")

SCHEMA: Final = pa.schema(
    [
        ("chunk", pa.int64()),
        ("start", MOMENT),
        ("first_id", pa.string()),
        ("end", MOMENT),
        ("last_id", pa.string()),
        ("rows", pa.int64()),
        ("family", pa.string()),
        ("column", pa.string()),
        ("method", pa.string()),
        *((name, pa.float64()) for name in _NUMBERS),
        ("alert", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class Measure:
    """One number about one chunk; NaN where there is none."""

    position: int
    """Of the chunk among those measured together."""
    family: Family
    column: str
    method: str
    value: float
    lower_threshold: float = math.nan
    upper_threshold: float = math.nan
    lower_confidence: float = math.nan
    upper_confidence: float = math.nan
    alert: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """A closed chunk: its place since the version's first prediction, its first and its last row, both inclusive."""

    index: int
    start: datetime
    first_id: str
    end: datetime
    last_id: str
    rows: int


def to_table(chunks: Sequence[Chunk], measures: Sequence[Measure]) -> Any:  # noqa: ANN401 - a pyarrow table
    """The measures of these chunks as they are stored; a chunk that nothing was measured of has a row all the same."""
    measured = {measure.position for measure in measures}
    rows = [_chunk_row(chunk) | {"alert": False} for place, chunk in enumerate(chunks) if place not in measured]
    rows += [
        _chunk_row(chunks[measure.position])
        | {"family": measure.family, "column": measure.column, "method": measure.method, "alert": measure.alert}
        | {name: _number(getattr(measure, name)) for name in _NUMBERS}
        for measure in measures
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def to_chunks(table: Any) -> list[Chunk]:  # noqa: ANN401 - a pyarrow table
    """The chunks that a table of results is about, in order."""
    distinct = table.select(CHUNK_COLUMNS).group_by(list(CHUNK_COLUMNS)).aggregate([])
    found = {row["chunk"]: Chunk(*(row[name] for name in CHUNK_COLUMNS)) for row in distinct.to_pylist()}
    return [found[index] for index in sorted(found)]


def _chunk_row(chunk: Chunk) -> dict[str, Any]:
    values = (chunk.index, chunk.start, chunk.first_id, chunk.end, chunk.last_id, chunk.rows)
    return dict(zip(CHUNK_COLUMNS, values, strict=True))


def _number(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
