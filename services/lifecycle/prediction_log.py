"""The prediction log: every prediction with its features, and the labels that come later, in the object store.

    <model>/predictions/date=2026-01-31/hour=13/<part>.parquet      by the moment of the prediction, UTC
    <model>/labels/date=2026-01-31/hour=17/<part>.parquet           by the moment the label was received, UTC

A part is written once and never changed. Small parts of a closed hour are merged into `merged-<number>.parquet`, whose
footer lists the parts that it stands for: a reader leaves those out. This file knows the layout and reads it; scoring
writes.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, BinaryIO, Final, Literal, TypeAlias

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.dataset as ds  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types

from lifecycle.features import BooleanFeature, CategoricalFeature, FeatureSchema, NumericFeature
from lifecycle.manifest import Manifest
from lifecycle.store import ObjectStore, StoreUnavailableError

Kind: TypeAlias = Literal["predictions", "labels"]
Role: TypeAlias = Literal["champion", "shadow", "canary"]

FEATURE_PREFIX: Final = "feature."
REQUEST_DIGITS: Final = 28
"""Of a prediction's id those that name its request: the rows of one request share them."""
MERGED_PREFIX: Final = "merged-"
MOMENT: Final = pa.timestamp("us", tz="UTC")
_SOURCES: Final = "realtime-ml.sources"
_LISTINGS: Final = 5
"""How often an hour is listed anew because a part went away between the listing and the reading."""
_HOUR: Final = timedelta(hours=1)
_HOUR_FOLDERS: Final = "date=%Y-%m-%d hour=%H %z"

LABEL_COLUMNS: Final = pa.schema([("prediction_id", pa.string()), ("time", MOMENT), ("label", pa.float64())])
"""A label is the class's index, the value of a regression, or how relevant a ranked candidate was."""

_FEATURE_TYPES: Final[dict[type, Any]] = {
    NumericFeature: pa.float64(),
    BooleanFeature: pa.bool_(),
    CategoricalFeature: pa.string(),
}


@dataclass(frozen=True, slots=True)
class BrokenPart:
    """A part that cannot be read, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Window:
    """What was found between two moments: a table in order of time, and what had to be left aside."""

    table: Any
    """A pyarrow Table."""
    broken: tuple[BrokenPart, ...]
    foreign: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Columns that some parts lack, or have as another type, and what was found: there they are null."""


def prediction_columns(manifest: Manifest) -> Any:  # noqa: ANN401 - a pyarrow schema
    """The columns of a model's predictions."""
    output = pa.list_(pa.float64()) if manifest.objective == "multiclass" else pa.float64()
    fixed = [
        ("prediction_id", pa.string()),
        ("time", MOMENT),
        ("version", pa.int32()),
        ("role", pa.string()),
        ("output", output),
        ("predicted", pa.string()),
    ]
    return pa.schema(fixed + feature_columns(manifest.feature_schema))


def feature_columns(schema: FeatureSchema) -> list[tuple[str, Any]]:
    """The columns of the features: name and arrow type; null is a missing value."""
    return [(f"{FEATURE_PREFIX}{feature.name}", _FEATURE_TYPES[type(feature)]) for feature in schema.features]


def hour_prefix(model: str, kind: Kind, hour: datetime) -> str:
    """Where the parts of an hour are."""
    utc = hour.astimezone(UTC)
    return f"{model}/{kind}/date={utc:%Y-%m-%d}/hour={utc:%H}"


def hours(start: datetime, end: datetime) -> Iterator[datetime]:
    """The hours that meet the window from `start`, inclusive, to `end`, exclusive."""
    hour = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour < end:
        yield hour
        hour += _HOUR


def merged_metadata(sources: Collection[str]) -> dict[str, str]:
    """What the footer of a merged part says: the keys that it stands for."""
    return {_SOURCES: json.dumps(sorted(sources))}


def merged_sources(store: ObjectStore, key: str) -> set[str]:
    """The keys that a merged part stands for; none where it is gone or cannot be read.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    try:
        with store.open_ranges(key) as file:
            metadata = pq.read_metadata(file).metadata or {}
    except (FileNotFoundError, pa.ArrowException):
        return set()
    return set(json.loads(metadata.get(_SOURCES.encode(), b"[]")))


def current_parts(store: ObjectStore, keys: Collection[str]) -> list[str]:
    """Of these parts those that no merged one among them stands for, in their order.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    merged = [key for key in keys if key.rsplit("/", 1)[-1].startswith(MERGED_PREFIX)]
    covered = set[str]().union(*(merged_sources(store, key) for key in merged))
    return [key for key in keys if key not in covered]


def with_labels(predictions: Any, labels: Any) -> Any:  # noqa: ANN401 - pyarrow tables
    """The predictions with the columns `label_time` and `label`, null where there is none; each id has one at most."""
    # No join: Arrow has none for tables with lists, which the outputs of several classes are.
    place = pc.index_in(predictions["prediction_id"], value_set=labels["prediction_id"].combine_chunks())
    for name, column in (("label_time", "time"), ("label", "label")):
        predictions = predictions.append_column(name, labels[column].take(place))
    return predictions


class PredictionLog:
    """Reads the log of one model. Every method may raise StoreUnavailableError."""

    def __init__(self, store: ObjectStore, model: str) -> None:
        """Args: the store of the predictions, and the model's name."""
        self._store = store
        self.model: Final = model

    def predictions(
        self,
        start: datetime,
        end: datetime,
        columns: Sequence[str] | None = None,
        *,
        schema: Any = None,  # noqa: ANN401 - a pyarrow schema
    ) -> Window:
        """The predictions made from `start`, inclusive, to `end`, exclusive, by time; each id once.

        Of what a shadow has scored too, the row that was answered: it was written before.

        Args:
            start: with a time zone.
            end: with a time zone.
            columns: which to read beside `prediction_id` and `time`; all by default.
            schema: the types of the columns, such as `prediction_columns` gives. With it parts that do not fit are
                read all the same, and told in `foreign`; without it the columns of all parts must fit together.
        """
        return self._read("predictions", start, end, columns, schema)

    def labels(self, start: datetime, end: datetime) -> Window:
        """The labels received in the window; of several for one id, the first."""
        return self._read("labels", start, end, None)

    def conflicts(self, start: datetime, end: datetime) -> Any:  # noqa: ANN401 - a pyarrow table
        """The labels received in the window that differ from the first one of their id in it, by time."""
        table = self._rows("labels", start, end, None).table
        first = _first_of_each_id(table).select(["prediction_id", "label"]).rename_columns(["prediction_id", "first"])
        joined = table.join(first, "prediction_id", join_type="inner")
        return _ordered(joined.filter(pc.not_equal(joined["label"], joined["first"])))

    def labelled(
        self, start: datetime, end: datetime, columns: Sequence[str] | None = None, *, until: datetime | None = None
    ) -> Window:
        """The predictions of the window with the columns `label` and `label_time`, null where no label came.

        Args:
            start: of the predictions, inclusive.
            end: of the predictions, exclusive.
            columns: as in `predictions`.
            until: labels received from here on are not looked at; now by default.
        """
        predictions = self.predictions(start, end, columns)
        labels = self.labels(start, until or datetime.now(UTC))
        joined = with_labels(predictions.table, labels.table)
        return Window(joined, predictions.broken + labels.broken)

    def first_hour(self) -> datetime | None:
        """The oldest hour that has predictions; None for an empty log."""
        days = sorted(self._store.folders(f"{self.model}/predictions"))
        if not days:
            return None
        hour = min(self._store.folders(f"{self.model}/predictions/{days[0]}"))
        return datetime.strptime(f"{days[0]} {hour} +0000", _HOUR_FOLDERS)

    def label_parts(self) -> list[tuple[datetime, datetime]]:
        """Of each part of labels its hour, and when it was written to the store."""
        listed = self._store.list(f"{self.model}/labels")
        return [(_hour_of(object_.key), object_.modified) for object_ in listed]

    def _read(
        self,
        kind: Kind,
        start: datetime,
        end: datetime,
        columns: Sequence[str] | None,
        schema: Any = None,  # noqa: ANN401 - a pyarrow schema
    ) -> Window:
        found = self._rows(kind, start, end, columns, schema)
        return replace(found, table=_first_of_each_id(found.table))

    def _rows(
        self,
        kind: Kind,
        start: datetime,
        end: datetime,
        columns: Sequence[str] | None,
        schema: Any = None,  # noqa: ANN401 - a pyarrow schema
    ) -> Window:
        """All rows of the window in order of time, an id perhaps several times."""
        wanted = None if columns is None else list(dict.fromkeys(["prediction_id", "time", *columns]))
        inside = (ds.field("time") >= _scalar(start)) & (ds.field("time") < _scalar(end))
        tables: list[Any] = []
        broken: list[BrokenPart] = []
        for hour in hours(start, end):
            in_hour, broken_in_hour = self._hour(hour_prefix(self.model, kind, hour), wanted, inside)
            tables += in_hour
            broken += broken_in_hour
        foreign: dict[str, str] = {}
        nothing = LABEL_COLUMNS if kind == "labels" else _NO_PREDICTIONS
        if schema is not None:
            nothing = schema if wanted is None else pa.schema([schema.field(name) for name in wanted])
            tables = [_conformed(table, nothing, foreign) for table in tables]
        if not tables:
            return Window(nothing.empty_table(), tuple(broken))
        return Window(_ordered(pa.concat_tables(tables, promote_options="permissive")), tuple(broken), foreign)

    def _hour(self, prefix: str, wanted: list[str] | None, inside: Any) -> tuple[list[Any], list[BrokenPart]]:  # noqa: ANN401 - a pyarrow expression
        for _ in range(_LISTINGS):
            keys = [object_.key for object_ in self._store.list(prefix) if object_.key.endswith(".parquet")]
            tables: list[Any] = []
            broken: list[BrokenPart] = []
            try:
                for key in current_parts(self._store, keys):
                    try:
                        with self._store.open_ranges(key) as file:
                            tables.append(_part(file, wanted, inside))
                    except FileNotFoundError:
                        raise
                    except (pa.ArrowException, ValueError, OSError) as error:  # a torn page is an OSError
                        broken.append(BrokenPart(key, (str(error).splitlines() or [type(error).__name__])[0]))
            except FileNotFoundError:
                continue  # merged since the listing: its rows are in a part of the next
            return tables, broken
        message = f"parts kept going away while they were read, {_LISTINGS} times"
        raise StoreUnavailableError("list", prefix, OSError(message))


def _hour_of(key: str) -> datetime:
    _, day, hour, _ = key.rsplit("/", 3)
    return datetime.strptime(f"{day} {hour} +0000", _HOUR_FOLDERS)


_NO_PREDICTIONS: Final = pa.schema([("prediction_id", pa.string()), ("time", MOMENT)])


def _part(file: BinaryIO, wanted: list[str] | None, inside: Any) -> Any:  # noqa: ANN401 - a pyarrow expression, a table
    """The rows of a part that lie inside, without row groups that cannot hold any; of `wanted` the columns it has."""
    fragment = ds.ParquetFileFormat().make_fragment(file)
    names = fragment.physical_schema.names
    if missing := {"prediction_id", "time"}.difference(names):
        message = f"the part has no column {sorted(missing)[0]}"
        raise ValueError(message)
    columns = None if wanted is None else [name for name in wanted if name in names]
    return fragment.to_table(columns=columns, filter=inside).replace_schema_metadata(None)


def _conformed(table: Any, schema: Any, foreign: dict[str, str]) -> Any:  # noqa: ANN401 - pyarrow tables and a schema
    """The columns of the schema; one that is absent, or of a type that does not mean the same, is null."""
    columns = []
    for wanted in schema:
        if wanted.name not in table.column_names:
            foreign.setdefault(wanted.name, "absent")
        elif not _means_the_same(table[wanted.name].type, wanted.type):
            foreign.setdefault(wanted.name, f"{table[wanted.name].type} instead of {wanted.type}")
        else:
            columns.append(table[wanted.name].cast(wanted.type, safe=False))
            continue
        columns.append(pa.nulls(table.num_rows, wanted.type))
    return pa.table(columns, schema=schema)


def _means_the_same(found: Any, wanted: Any) -> bool:  # noqa: ANN401 - pyarrow types
    if found == wanted or pa.types.is_null(found):
        return True
    if pa.types.is_floating(wanted):
        return bool(pa.types.is_floating(found) or pa.types.is_integer(found))
    if pa.types.is_integer(wanted):
        return bool(pa.types.is_integer(found))
    if pa.types.is_dictionary(found):
        return _means_the_same(found.value_type, wanted)
    kinds = (pa.types.is_timestamp, pa.types.is_list)
    both_text = all(pa.types.is_string(kind) or pa.types.is_large_string(kind) for kind in (found, wanted))
    return both_text or any(kind(found) and kind(wanted) for kind in kinds)


def _scalar(moment: datetime) -> Any:  # noqa: ANN401 - a pyarrow scalar
    return pa.scalar(moment, MOMENT)


def _ordered(table: Any) -> Any:  # noqa: ANN401 - a pyarrow table
    return table.sort_by([("time", "ascending"), ("prediction_id", "ascending")])


def _first_of_each_id(table: Any) -> Any:  # noqa: ANN401 - a pyarrow table
    """A part may be there twice while a compaction is under way."""
    position = pa.array(range(table.num_rows), pa.int64())
    grouped = pa.table({"id": table["prediction_id"], "at": position}).group_by("id").aggregate([("at", "min")])
    if grouped.num_rows == table.num_rows:
        return table
    return table.take(grouped["at_min"].combine_chunks().sort())
