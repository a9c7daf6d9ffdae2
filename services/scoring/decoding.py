"""From the bytes of a predict request to the matrix the model wants; every way to be wrong has its own answer."""

import json
from typing import Final

import numpy as np
import numpy.typing as npt
from lifecycle.features import FeatureError, FeatureSchema, json_type

from scoring.errors import RequestError

_SHOWN_CHARACTERS: Final = 64


class _DoubledKey(dict[str, object]):
    """An object in which a key stands twice; the decoder cannot say where it is, the reader of the place can."""

    key: str


class _NotANumber:
    """NaN, Infinity or -Infinity: JSON has no such tokens, many clients write them."""


_NOT_A_NUMBER: Final = _NotANumber()


def decode_rows(body: bytes, schema: FeatureSchema, max_rows: int) -> npt.NDArray[np.float64]:
    """The rows of {"rows": [{feature: value, ...}, ...]} as a matrix, one row each.

    Raises:
        RequestError: the body is not JSON (400), or not rows of this schema (422).
    """
    rows = _rows(_decode(body), max_rows)
    matrix = np.empty((len(rows), len(schema.features)))
    for index, row in enumerate(rows):
        matrix[index] = _encode(row, schema, f"rows[{index}]")
    return matrix


def shown(text: str) -> str:
    """A piece of a request as an error may repeat it: short, and valid UTF-8 whatever escapes it was made of."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")


def _decode(body: bytes) -> object:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(400, "not_utf8", f"The body is not UTF-8: byte {error.start}.") from None
    try:
        document: object = _DECODER.decode(text)
    except RecursionError:
        raise RequestError(400, "too_deep", "The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise RequestError(400, "invalid_json", f"The body is not JSON: {error.msg}, {place}.") from None
    return document


def _rows(document: object, max_rows: int) -> list[object]:
    if not isinstance(document, dict):
        raise _shape("body", "an object with the field rows", document)
    _refuse_doubled(document, "")
    for key in document:
        if key != "rows":
            raise RequestError(422, "unknown_field", "The only field is rows.", shown(key))
    if "rows" not in document:
        raise RequestError(422, "missing_field", "This field is required.", "rows")
    rows = document["rows"]
    if not isinstance(rows, list):
        raise _shape("rows", "an array of objects", rows)
    if not rows:
        raise RequestError(422, "no_rows", "At least one row is required.", "rows")
    if len(rows) > max_rows:
        raise RequestError(422, "too_many_rows", f"{len(rows)} rows; at most {max_rows} are answered at once.", "rows")
    return rows


def _encode(row: object, schema: FeatureSchema, place: str) -> list[float]:
    if not isinstance(row, dict):
        raise _shape(place, "an object with a value for each feature", row)
    _refuse_doubled(row, f"{place}.")
    try:
        return schema.encode(row)
    except FeatureError as error:
        field = f"{place}.{shown(error.feature)}"
        if row.get(error.feature) is _NOT_A_NUMBER:
            message = "NaN and Infinity are not JSON; a missing value is null."
            raise RequestError(422, "not_finite", message, field) from None
        raise RequestError(422, error.code, error.message, field) from None


def _shape(place: str, wanted: str, found: object) -> RequestError:
    return RequestError(422, "wrong_shape", f"Expected {wanted}, got {json_type(found)}.", place)


def _refuse_doubled(found: dict[str, object], prefix: str) -> None:
    if isinstance(found, _DoubledKey):
        raise RequestError(422, "doubled_key", "This key stands here more than once.", f"{prefix}{shown(found.key)}")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    doubled = _DoubledKey(found)
    doubled.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value] # add gives None
    return doubled


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=lambda _token: _NOT_A_NUMBER,
    parse_int=float,  # features are float64; int() would take seconds over a million digits, and refuses to
)
