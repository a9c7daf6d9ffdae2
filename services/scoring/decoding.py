"""From the bytes of a predict request to the matrix the model wants; every way to be wrong has its own answer.

The slow way: `scoring.rows` reads what is right, and comes here to hear what is wrong.
"""

import json
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from lifecycle.features import CategoricalFeature, FeatureError, FeatureSchema, json_type

from scoring.errors import RequestError

DEFAULT_K: Final = 10
"""How many of the best candidates are answered where the request does not say."""

Unseen: TypeAlias = Sequence[tuple[int, str]]
"""Rows, by their place, and features of theirs that had a category which training had not, and were read as missing."""

_SHOWN_CHARACTERS: Final = 64


class _DoubledKey(dict[str, object]):
    """An object in which a key stands twice; the decoder cannot say where it is, the reader of the place can."""

    key: str


class _NotANumber:
    """NaN, Infinity or -Infinity: JSON has no such tokens, many clients write them."""


_NOT_A_NUMBER: Final = _NotANumber()


def decode_request(body: bytes, schema: FeatureSchema, max_rows: int) -> tuple[npt.NDArray[np.float64], Unseen, bool]:
    """The rows of {"rows": [{feature: value, ...}, ...]} as a matrix, what was unseen, and if contributions are wanted.

    Raises:
        RequestError: the body is not JSON (400), or not rows of this schema (422).
    """
    document = object_of(decode_json(body), "body", "an object with the field rows", ("rows", "contributions"))
    contributions = document.get("contributions", False)
    if not isinstance(contributions, bool):
        raise wrong_shape("contributions", "true or false", contributions)
    rows = list_of(document, "rows", "an array of objects", max_rows)
    return *_encoded(rows, schema, "rows"), contributions


def decode_candidates(body: bytes, schema: FeatureSchema, max_rows: int) -> tuple[npt.NDArray[np.float64], Unseen, int]:
    """The rows of {"candidates": [{feature: value, ...}, ...], "k": 10}, what was unseen, and how many are wanted.

    Raises:
        RequestError: the body is not JSON (400), or not candidates of this schema (422).
    """
    document = object_of(decode_json(body), "body", "an object with the field candidates", ("candidates", "k"))
    wanted = document.get("k", float(min(DEFAULT_K, max_rows)))
    if not isinstance(wanted, float) or not wanted.is_integer() or not 1 <= wanted <= max_rows:
        message = f"Expected a whole number from 1 to {max_rows}."
        raise RequestError(422, "wrong_type", message, "k")
    rows = list_of(document, "candidates", "an array of objects", max_rows)
    return *_encoded(rows, schema, "candidates"), int(wanted)


def shown(text: str) -> str:
    """A piece of a request as an error may repeat it: short, and valid UTF-8 whatever escapes it was made of."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return cut.encode("utf-8", "backslashreplace").decode("utf-8")


def decode_json(body: bytes) -> object:
    """The document.

    Raises:
        RequestError: the body is not UTF-8, not JSON, or nested too deeply (400).
    """
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


def object_of(found: object, place: str, wanted: str, fields: tuple[str, ...]) -> dict[str, object]:
    """An object that has none but these fields, each once, and the first of them.

    Args:
        found: the decoded value.
        place: where it is, `body` for the whole.
        wanted: what it should be, for the message.
        fields: the names; the first is required.

    Raises:
        RequestError: it is something else (422).
    """
    if not isinstance(found, dict):
        raise wrong_shape(place, wanted, found)
    prefix = "" if place == "body" else f"{place}."
    refuse_doubled_keys(found, prefix)
    for key in found:
        if key not in fields:
            message = f"The fields are {', '.join(fields)}." if len(fields) > 1 else f"The only field is {fields[0]}."
            raise RequestError(422, "unknown_field", message, f"{prefix}{shown(key)}")
    if fields[0] not in found:
        raise RequestError(422, "missing_field", "This field is required.", f"{prefix}{fields[0]}")
    return found


def list_of(document: dict[str, object], field: str, wanted: str, most: int) -> list[object]:
    """The field's elements, at least one.

    Raises:
        RequestError: it is no array, or has too few or too many elements (422).
    """
    found = document[field]
    if not isinstance(found, list):
        raise wrong_shape(field, wanted, found)
    if not found:
        raise RequestError(422, "no_rows", "At least one is required.", field)
    if len(found) > most:
        raise RequestError(422, "too_many_rows", f"{len(found)} {field}; at most {most} are answered at once.", field)
    return found


def _encoded(rows: list[object], schema: FeatureSchema, field: str) -> tuple[npt.NDArray[np.float64], Unseen]:
    matrix = np.empty((len(rows), len(schema.features)))
    forgiving = [f for f in schema.features if isinstance(f, CategoricalFeature) and f.unseen == "missing"]
    unseen: list[tuple[int, str]] = []
    for index, row in enumerate(rows):
        matrix[index] = _encode(row, schema, f"{field}[{index}]")
        if isinstance(row, dict):
            unseen += [(index, f.name) for f in forgiving if row[f.name] is not None and row[f.name] not in f.codes]
    return matrix, unseen


def _encode(row: object, schema: FeatureSchema, place: str) -> list[float]:
    if not isinstance(row, dict):
        raise wrong_shape(place, "an object with a value for each feature", row)
    refuse_doubled_keys(row, f"{place}.")
    try:
        return schema.encode(row)
    except FeatureError as error:
        field = f"{place}.{shown(error.feature)}"
        if row.get(error.feature) is _NOT_A_NUMBER:
            message = "NaN and Infinity are not JSON; a missing value is null."
            raise RequestError(422, "not_finite", message, field) from None
        unseen = error.feature if error.code == "unknown_category" else None
        raise RequestError(422, error.code, error.message, field, feature=unseen) from None


def wrong_shape(place: str, wanted: str, found: object) -> RequestError:
    """What to raise when something else stands in a place than what is wanted."""
    return RequestError(422, "wrong_shape", f"Expected {wanted}, got {json_type(found)}.", place)


def refuse_doubled_keys(found: dict[str, object], prefix: str) -> None:
    """Raises RequestError when a key stands twice in an object that `decode_json` gave."""
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
