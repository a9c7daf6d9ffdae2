"""The Open Inference Protocol, version 2: tensors in, tensors out. Knows nothing of HTTP.

A model takes one tensor a feature, named as the feature, or all of them as one matrix named `features` with the columns
in the schema's order, categories as their positions and booleans as 0 and 1. A missing value is null, in binary data
NaN. Inputs may follow the JSON as binary data (Triton's extension); outputs are always JSON.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from lifecycle.features import BooleanFeature, CategoricalFeature, Feature, FeatureSchema, NumericFeature
from lifecycle.manifest import Manifest

from scoring.answers import class_index
from scoring.champion import ServedModel
from scoring.decoding import decode_json, refuse_doubled_keys, shown
from scoring.errors import RequestError
from scoring.identifiers import new_id, prediction_ids
from scoring.prediction import Scored, score
from scoring.rows import Rows, colons
from scoring.wire import encode_json

Floats = npt.NDArray[np.float64]

MATRIX: Final = "features"
"""The name of the one input that holds all features."""

_NUMBERS: Final[dict[str, Any]] = {
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    **{f"{sign}INT{bits}": np.dtype(f"{sign.lower()}int{bits}").type for sign in ("", "U") for bits in (8, 16, 32, 64)},
}
_OBJECTS: Final[dict[str, Any]] = {"BOOL": bool, "BYTES": str}


class InferInput(msgspec.Struct, forbid_unknown_fields=True):
    """A tensor as it comes in."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class InferOutput(msgspec.Struct, forbid_unknown_fields=True):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class InferRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked."""

    inputs: list[InferInput]
    id: str | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    outputs: list[InferOutput] | msgspec.UnsetType = msgspec.UNSET


class TensorMetadata(msgspec.Struct, frozen=True):
    """An input or an output of a model; a dimension of any size is -1."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct, frozen=True):
    """A model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class Tensor(msgspec.Struct, frozen=True):
    """An output."""

    name: str
    shape: list[int]
    datatype: str
    data: Sequence[float | str | None]


class InferResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the model answers."""

    model_name: str
    model_version: str
    outputs: list[Tensor]
    id: str | msgspec.UnsetType = msgspec.UNSET


class ServerMetadata(msgspec.Struct, frozen=True):
    """The server."""

    name: str = "realtime-ml-scoring"
    version: str = "1"
    extensions: list[str] = msgspec.field(default_factory=list)


class ServerLive(msgspec.Struct, frozen=True):
    """Whether the server lives."""

    live: bool = True


class ServerReady(msgspec.Struct, frozen=True):
    """Whether predictions are answered."""

    ready: bool = True


class ModelReady(msgspec.Struct, frozen=True):
    """Whether a model answers."""

    name: str
    ready: bool = True


class InferError(msgspec.Struct, frozen=True):
    """Why a request was not answered, and where in it the reason lies."""

    error: str


_decode_request: Final = msgspec.json.Decoder(InferRequest).decode
_FLAT: Final = {kind: msgspec.json.Decoder(list[kind | None]).decode for kind in (float, int, bool, str)}  # type: ignore[valid-type] # made in a loop
_NESTED: Final = {kind: msgspec.json.Decoder(list[list[kind | None]]).decode for kind in (float, int, bool, str)}  # type: ignore[valid-type] # made in a loop


@dataclass(frozen=True, slots=True)
class _Column:
    """The values of a tensor, flat; null where missing."""

    values: list[Any] | npt.NDArray[Any]
    shape: list[int]


def metadata(manifest: Manifest) -> ModelMetadata:
    """A model as the protocol describes it."""
    return ModelMetadata(
        manifest.model,
        [str(manifest.version)],
        "lightgbm",
        [TensorMetadata(feature.name, _datatype(feature), [-1, 1]) for feature in manifest.feature_schema.features],
        _outputs(manifest),
    )


def _outputs(manifest: Manifest) -> list[TensorMetadata]:
    return [
        TensorMetadata("output", "FP64", [-1] if manifest.outputs == 1 else [-1, manifest.outputs]),
        *([TensorMetadata("class", "BYTES", [-1])] if manifest.classes else []),
        TensorMetadata("prediction_id", "BYTES", [-1]),
    ]


def infer(
    model: ServedModel,
    body: bytes,
    max_rows: int,
    request_id: str = "",
    *,
    json_bytes: int | None = None,
    on_loop: bool = True,
) -> Scored:
    """Answers an inference request.

    Args:
        model: what scores.
        body: JSON, and after it the binary data of inputs, if there are any.
        max_rows: how many rows it may have.
        request_id: what the ids begin with; a new one by default.
        json_bytes: how long the JSON is; None for all of the body.
        on_loop: as in `prediction.score`.

    Raises:
        RequestError: the body is not tensors of this model.
    """
    head, binary = (body, b"") if json_bytes is None else (body[:json_bytes], body[json_bytes:])
    request = _read(head)
    wanted = _wanted(request, model.manifest)
    matrix = _matrix(request.inputs, binary, model.manifest.feature_schema, max_rows)
    vectors = matrix.tobytes()
    hits, unusual = model.reader.examine(vectors)
    rows = Rows(vectors, len(matrix), hits, unusual=unusual)
    outputs, seconds = score(model, rows, on_loop=on_loop)
    ids = prediction_ids(request_id or new_id(), rows.count)
    response = InferResponse(
        model.manifest.model,
        str(model.manifest.version),
        [_output(name, model.manifest, ids, outputs) for name in wanted],
        request.id,
    )
    return Scored(model, rows, ids, outputs, encode_json(response), seconds)


def _read(head: bytes) -> InferRequest:
    try:
        request = _decode_request(head)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        decode_json(head)  # says so where it is no JSON at all
        # The library names the place and the types, never a value: $.inputs[0].shape.
        place = str(error).rpartition("`$")[2].strip("`.")
        message = str(error).partition(" - at ")[0] + "."
        raise RequestError(422, "wrong_shape", shown(message), shown(place) or None) from None
    tables = [request, *request.inputs, *(request.outputs or [])]
    keys = sum(getattr(table, field) is not msgspec.UNSET for table in tables for field in table.__struct_fields__)
    if colons(head) != keys:  # see RowReader.read; here parameters add to it, too
        _refuse_doubled(decode_json(head), "")
    return request


def _refuse_doubled(found: object, place: str) -> None:
    if isinstance(found, dict):
        refuse_doubled_keys(found, place)
        for key, value in found.items():
            _refuse_doubled(value, f"{place}{shown(key)}.")
    elif isinstance(found, list):
        for index, value in enumerate(found):
            _refuse_doubled(value, f"{place.removesuffix('.')}[{index}].")


def _wanted(request: InferRequest, manifest: Manifest) -> list[str]:
    known = [tensor.name for tensor in _outputs(manifest)]
    if not request.outputs:
        return known
    for index, output in enumerate(request.outputs):
        if output.name not in known:
            message = f"The outputs are {', '.join(known)}."
            raise RequestError(422, "unknown_output", message, f"outputs[{index}].name")
    return list(dict.fromkeys(output.name for output in request.outputs))


def _matrix(inputs: list[InferInput], binary: bytes, schema: FeatureSchema, max_rows: int) -> Floats:
    if not inputs:
        raise RequestError(422, "missing_field", "At least one input is required.", "inputs")
    columns: dict[str, _Column] = {}
    offset = 0
    for index, tensor in enumerate(inputs):
        if tensor.name in columns:
            raise RequestError(422, "doubled_key", "This input is given more than once.", shown(tensor.name))
        column, taken = _values(tensor, f"inputs[{index}]", binary[offset:])
        offset += taken
        columns[tensor.name] = column
    if offset != len(binary):
        raise RequestError(422, "wrong_shape", f"{len(binary) - offset} bytes of binary data belong to no input.")
    if MATRIX in columns and len(columns) == 1 and MATRIX not in schema.names:
        return _checked(_whole(columns[MATRIX], inputs[0], schema, max_rows), schema)
    return _checked(_joined(columns, inputs, schema, max_rows), schema)


def _whole(column: _Column, tensor: InferInput, schema: FeatureSchema, max_rows: int) -> Floats:
    if tensor.datatype not in _NUMBERS:
        raise _wrong_datatype(MATRIX, tensor.datatype, "a number's datatype, such as FP64")
    width = len(schema.features)
    if len(column.shape) != 2 or column.shape[1] != width:  # noqa: PLR2004 - rows and columns
        raise RequestError(422, "wrong_shape", f"Expected the shape [rows, {width}], got {column.shape[:8]}.", MATRIX)
    _refuse_count(column.shape[0], max_rows, MATRIX)
    return _floats(column.values).reshape(-1, width)


def _joined(columns: Mapping[str, _Column], inputs: list[InferInput], schema: FeatureSchema, max_rows: int) -> Floats:
    for name in columns:
        if name not in schema.names:
            raise RequestError(422, "unknown_feature", "The model has no feature of this name.", shown(name))
    datatypes = {tensor.name: tensor.datatype for tensor in inputs}
    encoded = []
    count: int | None = None
    for feature in schema.features:
        column = columns.get(feature.name)
        if column is None:
            raise RequestError(422, "missing_feature", "This feature is required.", feature.name)
        if len(column.shape) not in {1, 2} or column.shape[1:] not in ([], [1]):
            message = f"Expected the shape [rows] or [rows, 1], got {column.shape[:8]}."
            raise RequestError(422, "wrong_shape", message, feature.name)
        count = column.shape[0] if count is None else count
        if column.shape[0] != count:
            message = f"Expected {count} rows as in {schema.names[0]}, got {column.shape[0]}."
            raise RequestError(422, "wrong_shape", message, feature.name)
        _refuse_count(count, max_rows, feature.name)
        encoded.append(_encoded(feature, datatypes[feature.name], column))
    return np.column_stack(encoded)


def _encoded(feature: Feature, datatype: str, column: _Column) -> Floats:
    match feature:
        case NumericFeature():
            if datatype not in _NUMBERS:
                raise _wrong_datatype(feature.name, datatype, "a number's datatype, such as FP64")
            return _floats(column.values)
        case BooleanFeature():
            if datatype != "BOOL":
                raise _wrong_datatype(feature.name, datatype, "BOOL")
            return _floats(column.values)
        case _:
            if datatype != "BYTES":
                raise _wrong_datatype(feature.name, datatype, "BYTES")
            codes = feature.codes
            unknown = [value for value in column.values if value is not None and value not in codes]
            if unknown:
                message = f"Expected one of its {len(codes)} categories."
                raise RequestError(422, "unknown_category", message, feature.name, feature=feature.name)
            return np.array([np.nan if value is None else codes[value] for value in column.values], dtype=np.float64)


def _checked(matrix: Floats, schema: FeatureSchema) -> Floats:
    """Refuses what no row of JSON could say."""
    if np.isfinite(matrix).all() and all(isinstance(feature, NumericFeature) for feature in schema.features):
        return np.ascontiguousarray(matrix)
    infinite, missing = (list(np.any(of(matrix), axis=0)) for of in (np.isinf, np.isnan))
    for index, feature in enumerate(schema.features):
        if infinite[index]:
            message = "Expected finite numbers; a missing value is null."
            raise RequestError(422, "not_finite", message, feature.name)
        if missing[index] and not feature.nullable:
            raise RequestError(422, "null_feature", "This feature may not be null.", feature.name)
        if not isinstance(feature, NumericFeature):
            most = len(feature.categories) - 1 if isinstance(feature, CategoricalFeature) else 1
            column = matrix[:, index]
            if not (np.isnan(column) | ((column >= 0) & (column <= most) & (column == np.floor(column)))).all():
                message = f"Expected whole numbers from 0 to {most}."
                raise RequestError(422, "unknown_category", message, feature.name, feature=feature.name)
    return np.ascontiguousarray(matrix)


def _values(tensor: InferInput, place: str, binary: bytes) -> tuple[_Column, int]:
    """The values of a tensor, and how many bytes of the binary data they took."""
    if tensor.datatype not in _NUMBERS and tensor.datatype not in _OBJECTS:
        known = ", ".join([*_NUMBERS, *_OBJECTS])
        raise RequestError(422, "wrong_datatype", f"The datatypes are {known}.", f"{place}.datatype")
    if any(size < 0 or size > 2**31 for size in tensor.shape):
        raise RequestError(422, "wrong_shape", "Expected the size of each dimension.", f"{place}.shape")
    expected = 1
    for size in tensor.shape:
        expected = min(expected * size, 2**62)
    size_bytes = (tensor.parameters or {}).get("binary_data_size")
    if size_bytes is not None:
        if tensor.data is not msgspec.UNSET or not isinstance(size_bytes, int) or not 0 <= size_bytes <= len(binary):
            message = "Expected no data in JSON, and as many bytes after it as this says."
            raise RequestError(422, "wrong_shape", message, f"{place}.parameters.binary_data_size")
        values: Any = _from_binary(tensor.datatype, binary[:size_bytes], place)
    else:
        values = _from_json(tensor, place)
    if len(values) != expected:
        message = f"The shape {tensor.shape[:8]} has {expected} values, the data {len(values)}."
        raise RequestError(422, "wrong_shape", message, shown(tensor.name))
    return _Column(values, tensor.shape), size_bytes or 0


def _from_json(tensor: InferInput, place: str) -> Any:  # noqa: ANN401 - a list, or an array
    if tensor.data is msgspec.UNSET:
        raise RequestError(422, "missing_field", "This field is required.", f"{place}.data")
    numpy_type = _NUMBERS.get(tensor.datatype)
    kind = _OBJECTS.get(tensor.datatype) or (float if tensor.datatype.startswith("FP") else int)
    raw = bytes(tensor.data)
    try:
        values = _FLAT[kind](raw)
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        try:
            nested = _NESTED[kind](raw)
        except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
            message = f"Expected values of {tensor.datatype}, as one array or an array of rows."
            raise RequestError(422, "wrong_type", message, shown(tensor.name)) from None
        if [len(nested), *{len(row) for row in nested}] != tensor.shape:
            message = f"The rows of the data do not have the shape {tensor.shape[:8]}."
            raise RequestError(422, "wrong_shape", message, shown(tensor.name)) from None
        values = [value for row in nested for value in row]
    if numpy_type in {None, np.float64}:
        return values
    return _narrowed(values, np.dtype(numpy_type), tensor.name)


def _narrowed(values: list[Any], dtype: np.dtype[Any], name: str) -> Any:  # noqa: ANN401 - a list of numbers
    """The numbers as this type holds them."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.array([np.nan if value is None else value for value in values]).astype(dtype)
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    if any(value is not None and not least <= value <= most for value in values):
        raise RequestError(422, "wrong_type", f"Expected whole numbers from {least} to {most}.", shown(name))
    return values


def _from_binary(datatype: str, data: bytes, place: str) -> Any:  # noqa: ANN401 - a list or an array
    if datatype == "BYTES":
        return _strings(data, place)
    dtype: np.dtype[Any] = np.dtype(_NUMBERS.get(datatype, np.uint8)).newbyteorder("<")
    if len(data) % dtype.itemsize:
        raise RequestError(422, "wrong_shape", f"{len(data)} bytes are no values of {datatype}.", place)
    values = np.frombuffer(data, dtype)
    if datatype == "BOOL" and (values > 1).any():
        raise RequestError(422, "wrong_type", "Expected bytes of 0 and 1.", place)
    return values


def _strings(data: bytes, place: str) -> list[str]:
    """Each four bytes of length, then the text."""
    found, offset = [], 0
    while offset < len(data):
        (length,) = struct.unpack_from("<I", data, offset) if offset + 4 <= len(data) else (2**32,)
        piece = data[offset + 4 : offset + 4 + length]
        if len(piece) != length:
            raise RequestError(422, "wrong_shape", "The binary data ends within a string.", place)
        try:
            found.append(piece.decode())
        except UnicodeDecodeError:
            raise RequestError(400, "not_utf8", "A string is not UTF-8.", place) from None
        offset += 4 + length
    return found


def _floats(values: list[Any] | npt.NDArray[Any]) -> Floats:
    return np.array(values, dtype=np.float64)  # None becomes NaN


def _refuse_count(count: int, max_rows: int, place: str) -> None:
    if count < 1:
        raise RequestError(422, "no_rows", "At least one row is required.", place)
    if count > max_rows:
        raise RequestError(422, "too_many_rows", f"{count} rows; at most {max_rows} are answered at once.", place)


def _wrong_datatype(name: str, found: str, wanted: str) -> RequestError:
    return RequestError(422, "wrong_datatype", f"Expected {wanted}, got {found}.", name)


def _datatype(feature: Feature) -> str:
    match feature:
        case NumericFeature():
            return "FP64"
        case BooleanFeature():
            return "BOOL"
        case _:
            return "BYTES"


def _output(name: str, manifest: Manifest, ids: list[str], outputs: list[float]) -> Tensor:
    width, count = manifest.outputs, len(ids)
    if name == "prediction_id":
        return Tensor(name, [count], "BYTES", ids)
    if name == "class":
        rows = [outputs[start : start + width] for start in range(0, len(outputs), width)]
        return Tensor(name, [count], "BYTES", [manifest.classes[class_index(manifest, row) or 0] for row in rows])
    return Tensor(name, [count] if width == 1 else [count, width], "FP64", list(outputs))
