"""Properties survive the wire."""

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from toolchain.doubles.properties import UNKNOWN, Secret, contains_unknown, decode, encode

_SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.just(UNKNOWN)
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@given(st.dictionaries(st.text(), _VALUES))
def test_what_is_written_is_read_back(properties: dict[str, object]) -> None:
    """Also whole numbers, which the wire has only as floating point, and values that are not known yet."""
    assert decode(encode(properties)) == properties


def test_integers_come_back_as_integers() -> None:
    """An API that wants 2 replicas refuses 2.0."""
    (value,) = decode(encode({"replicas": 2})).values()
    assert type(value) is int


def test_a_secret_is_marked_on_the_wire_and_plain_after() -> None:
    """The engine sees the mark; a stand-in sees the value."""
    message = encode({"password": Secret({"a": "b"})})
    assert set(message.fields["password"].struct_value.fields) == {"4dabf18193072939515e22adb298388d", "value"}
    assert decode(message) == {"password": {"a": "b"}}


@pytest.mark.parametrize("known", [True, False])
def test_an_output_value_is_its_value_or_unknown(known: bool) -> None:  # noqa: FBT001
    """Output values are sent by newer engines; one without a value is not known yet."""
    message = struct_pb2.Struct()
    message.update({"a": {"4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4"}})
    if known:
        message.fields["a"].struct_value.update({"value": "x"})
    assert decode(message) == {"a": "x" if known else UNKNOWN}


def test_every_typed_unknown_of_the_engine_is_one() -> None:
    """The engine marks unknown lists, numbers and objects each in its own way."""
    for marker in ("6a19a0b0-7e62-4c92-b797-7f8e31da9cc2", "dd056dcd-154b-4c76-9bd3-c8f88648b5ff"):
        message = struct_pb2.Struct()
        message.update({"a": marker})
        assert decode(message) == {"a": UNKNOWN}


def test_unknown_is_found_at_any_depth() -> None:
    """A preview must not send an object to the server that holds one."""
    assert contains_unknown({"a": [{"b": UNKNOWN}]})
    assert not contains_unknown({"a": [{"b": "unknown"}]})


def test_a_value_that_the_wire_lacks_is_refused() -> None:
    """Rather than sent as something else."""
    with pytest.raises(TypeError, match="object"):
        encode({"a": object()})
