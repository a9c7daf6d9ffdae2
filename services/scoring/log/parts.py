"""From a write-ahead file to Parquet parts: one for each hour and version, named after the file."""

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.features import BooleanFeature, CategoricalFeature, Feature
from lifecycle.manifest import Manifest
from lifecycle.prediction_log import LABEL_COLUMNS, MOMENT, hour_prefix, prediction_columns

from scoring.log.records import LABEL, LABELS, MODEL, ROLES, ROWS_HEAD, payloads

_HOUR_US: Final = 3_600_000_000
_ID_BYTES: Final = 16
_GROUP_ROWS: Final = 4096
"""Rows that are turned into columns at once: 1 MB of 30 features."""


@dataclass(frozen=True, slots=True)
class Part:
    """An object to be written."""

    key: str
    data: bytes
    predictions: int
    """How many predictions it holds; a part of labels holds none."""


_Array = npt.NDArray[Any]


_Block: TypeAlias = tuple[_Array, ...]
"""Rows, as the columns time, role, id, vector, output."""


def parts(model: str, name: str, data: bytes) -> Iterator[Part]:
    """The parts of a write-ahead file.

    Args:
        model: the model's name.
        name: of the file, without its suffix; no two files ever share one.
        data: the file's bytes.

    Raises:
        ValueError: a whole record makes no sense.
    """
    manifests: dict[int, Manifest] = {}
    rows: dict[tuple[int, int], list[_Block]] = defaultdict(list)
    labels: dict[int, list[tuple[bytes, int, float]]] = defaultdict(list)
    for payload in payloads(data):
        kind = payload[0]
        if kind == MODEL:
            manifest = Manifest.from_json(bytes(payload[1:]))
            manifests[manifest.version] = manifest
        elif kind == LABELS:
            for label in LABEL.iter_unpack(payload[1:]):
                labels[label[1] // _HOUR_US].append(label)
        else:
            _, version, _, _ = ROWS_HEAD.unpack_from(payload)
            block = _block(payload, manifests[version])
            hours = block[0] // _HOUR_US
            there = np.unique(hours).tolist()
            for hour in there:
                of_hour = slice(None) if len(there) == 1 else hours == hour
                rows[hour, version].append(tuple(column[of_hour] for column in block))
    for (hour, version), found in sorted(rows.items()):
        manifest = manifests[version]
        key = f"{hour_prefix(model, 'predictions', _moment(hour))}/{name}-{version:08d}.parquet"
        tables = (_prediction_table(manifest, some) for some in _in_groups(found))
        yield Part(key, parquet(prediction_columns(manifest), tables), sum(len(block[0]) for block in found))
    for hour, some in sorted(labels.items()):
        key = f"{hour_prefix(model, 'labels', _moment(hour))}/{name}.parquet"
        yield Part(key, parquet(LABEL_COLUMNS, [_label_table(some)]), 0)


def parquet(schema: Any, tables: Iterable[Any]) -> bytes:  # noqa: ANN401 - of pyarrow
    """Tables as a Parquet file: in a form that is written fast, for it will be merged into one that is small.

    A row of 30 features takes 0.4 us and 230 bytes; with pyarrow's defaults and zstd it was 3.5 us and 150 bytes.
    """
    file = io.BytesIO()
    with pq.ParquetWriter(
        file,
        schema,
        compression="snappy",
        use_dictionary=repeating(schema),
        use_byte_stream_split=[field.name for field in schema if field.type == pa.float64()],
        write_statistics=["time"],
    ) as writer:
        for table in tables:
            writer.write_table(table)
    return file.getvalue()


def repeating(schema: Any) -> list[str]:  # noqa: ANN401 - a pyarrow schema
    """The columns worth a dictionary. It makes nearly all numbers and all ids larger, and takes longest of all."""
    found = [field.name for field in schema if field.type in {pa.string(), pa.int32()}]
    return [name for name in found if name != "prediction_id"]


def _block(payload: memoryview, manifest: Manifest) -> tuple[_Array, ...]:
    _, _, role, count = ROWS_HEAD.unpack_from(payload)
    position = ROWS_HEAD.size

    def take(dtype: npt.DTypeLike, width: int) -> _Array:
        nonlocal position
        found = np.frombuffer(payload, dtype, count * width, position)
        position += found.nbytes
        return found.reshape(count, width)

    times, ids = take(np.int64, 1)[:, 0], take(np.uint8, _ID_BYTES)
    vectors, outputs = take(np.float64, len(manifest.feature_schema.features)), take(np.float64, manifest.outputs)
    if position != len(payload):
        message = f"a record of {len(payload)} bytes, expected {position} of {count} rows"
        raise ValueError(message)
    return times, np.full(count, role), ids, vectors, outputs


def _in_groups(blocks: list[_Block]) -> Iterator[list[_Block]]:
    """Blocks of a few thousand rows together, so that what is made of them uses the same memory again."""
    group: list[_Block] = []
    rows = 0
    for block in blocks:
        group.append(block)
        rows += len(block[0])
        if rows >= _GROUP_ROWS:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _prediction_table(manifest: Manifest, blocks: list[_Block]) -> Any:  # noqa: ANN401 - a pyarrow table
    features = manifest.feature_schema.features
    *fixed, vectors, results = zip(*blocks, strict=True)
    times, roles, ids, outputs = map(np.concatenate, (*fixed, results))
    # A feature's values in one piece of memory, which Arrow takes as it is.
    matrix = np.concatenate([block.T for block in vectors], axis=1, out=np.empty((len(features), len(times))))
    columns = [
        _ids(ids.tobytes()),
        pa.array(times, MOMENT),
        pa.array(np.full(len(times), manifest.version), pa.int32()),
        pa.array(ROLES).take(pa.array(roles)),
        pa.array(list(outputs), pa.list_(pa.float64()))
        if manifest.objective == "multiclass"
        else pa.array(outputs[:, 0]),
        _predicted(manifest, outputs),
        *map(_column, features, matrix, np.isnan(matrix)),
    ]
    return pa.table(columns, schema=prediction_columns(manifest))


def _label_table(labels: list[tuple[bytes, int, float]]) -> Any:  # noqa: ANN401 - a pyarrow table
    ids, times, values = zip(*labels, strict=True)
    return pa.table([_ids(b"".join(ids)), pa.array(times, MOMENT), pa.array(values)], schema=LABEL_COLUMNS)


def _ids(raw: bytes) -> Any:  # noqa: ANN401 - a pyarrow array
    """Hexadecimal names without a Python object for each."""
    count = len(raw) // _ID_BYTES
    offsets = np.arange(count + 1, dtype=np.int32) * (2 * _ID_BYTES)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(raw.hex().encode()))


def _predicted(manifest: Manifest, outputs: npt.NDArray[np.float64]) -> Any:  # noqa: ANN401 - a pyarrow array
    if manifest.objective == "binary":
        winners = (outputs[:, 0] >= (manifest.threshold or 0.5)).astype(np.int64)
    elif manifest.objective == "multiclass":
        winners = outputs.argmax(axis=1)
    else:
        return pa.nulls(len(outputs), pa.string())
    return pa.array(manifest.classes).take(pa.array(winners))


def _column(feature: Feature, values: npt.NDArray[np.float64], missing: npt.NDArray[np.bool_]) -> Any:  # noqa: ANN401 - a pyarrow array
    if isinstance(feature, BooleanFeature):
        return pa.array(values == 1, mask=missing)
    if isinstance(feature, CategoricalFeature):
        codes = np.where(missing, 0, values).astype(np.int64)
        return pa.array(feature.categories).take(pa.array(codes, mask=missing))
    return pa.array(values, mask=missing) if missing.any() else pa.array(values)  # without a mask nothing is copied


def _moment(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3600, UTC)
