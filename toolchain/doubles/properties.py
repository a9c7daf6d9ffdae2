"""Resource properties between the engine's wire form and plain Python values.

On the wire a property bag is a protobuf `Struct` in which a few reserved objects and strings carry meaning. In Python:

    secret           `Secret(value)`; decoding drops the mark, because the stand-ins let the engine keep it (see
                     `provider.Provider.accepts_secrets`) and only ever add it
    not yet known    `UNKNOWN`, a value that a preview cannot know
    number           `int` where it is integral: the wire has doubles only, and most APIs refuse 2.0 replicas
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from google.protobuf import struct_pb2

_SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
_SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a wire constant that marks secrets, not one
_OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

# The engine has one of these for each type; a plugin may send any of them, and the first stands for all.
_UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWN_STRINGS = frozenset(
    {
        _UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class Unknown(enum.Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that the engine must encrypt in the state and hide from its output."""

    value: Any


Properties: TypeAlias = dict[str, Any]
"""A property bag: JSON values, and `UNKNOWN` or `Secret` at any depth."""


def decode(message: struct_pb2.Struct) -> Properties:
    """Reads a property bag from the wire; see the module for what becomes what."""
    return {key: _decode(value) for key, value in message.fields.items()}


def encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Writes a property bag to the wire.

    Raises:
        TypeError: a value is none that the wire knows.
    """
    return struct_pb2.Struct(fields={key: _encode(value) for key, value in properties.items()})


def contains_unknown(value: object) -> bool:
    """Whether `UNKNOWN` stands anywhere in the value."""
    if isinstance(value, Mapping):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    return value is UNKNOWN


def _decode(value: struct_pb2.Value) -> Any:  # noqa: ANN401 - a JSON value
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return UNKNOWN if value.string_value in _UNKNOWN_STRINGS else value.string_value
        case "list_value":
            return [_decode(item) for item in value.list_value.values]
        case "struct_value":
            return _decode_object(value.struct_value)
        case _:
            return None


def _decode_object(message: struct_pb2.Struct) -> Any:  # noqa: ANN401 - a JSON value
    fields = decode(message)
    match fields.get(_SIGNATURE_KEY):
        case str(signature) if signature == _SECRET_SIGNATURE:
            return fields.get("value")
        case str(signature) if signature == _OUTPUT_SIGNATURE:
            return fields.get("value", UNKNOWN)
        case _:
            return fields


def _encode(value: object) -> struct_pb2.Value:  # noqa: PLR0911 - one return for each kind of value
    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case int() | float():
            return struct_pb2.Value(number_value=value)
        case str():
            return struct_pb2.Value(string_value=value)
        case Unknown.UNKNOWN:
            return struct_pb2.Value(string_value=_UNKNOWN_STRING)
        case Secret():
            return _encode({_SIGNATURE_KEY: _SECRET_SIGNATURE, "value": value.value})
        case Mapping():
            return struct_pb2.Value(struct_value=encode(cast("Mapping[str, Any]", value)))
        case Sequence():
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_encode(item) for item in value]))
        case _:
            message = f"a property cannot be a {type(value).__name__}: {value!r}"
            raise TypeError(message)
