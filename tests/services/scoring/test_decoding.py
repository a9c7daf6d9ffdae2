"""A body becomes a matrix, or the answer says what is wrong and where."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifecycle.features import BooleanFeature, CategoricalFeature, FeatureSchema, NumericFeature
from scoring.decoding import decode_request, shown
from scoring.errors import RequestError
from scoring.wire import encode_json

SCHEMA = FeatureSchema(
    features=(
        NumericFeature(name="age", nullable=True, minimum=0, maximum=99),
        CategoricalFeature(name="colour", nullable=False, categories=("red", "blue")),
        BooleanFeature(name="member", nullable=False),
    )
)
GOOD = '{"age": 30, "colour": "blue", "member": true}'

CASES: list[tuple[str | bytes, int, str, str | None]] = [
    ("", 400, "invalid_json", None),
    ("nope", 400, "invalid_json", None),
    ('{"rows": [' + GOOD, 400, "invalid_json", None),
    ('{"rows": [' + GOOD + "]} x", 400, "invalid_json", None),
    ("{'rows': []}", 400, "invalid_json", None),
    (b"\xef\xbb\xbf" + b'{"rows": []}', 400, "invalid_json", None),
    (b"\xff\xfe", 400, "not_utf8", None),
    (('{"rows": [' + GOOD + "]}").encode("utf-16-le") + b"\xff", 400, "not_utf8", None),
    ("[" * 100_000, 400, "too_deep", None),
    ('{"rows": ' + "[" * 100_000, 400, "too_deep", None),
    ('{"a":' * 100_000, 400, "too_deep", None),
    ("[]", 422, "wrong_shape", "body"),
    ("1", 422, "wrong_shape", "body"),
    ("null", 422, "wrong_shape", "body"),
    ("NaN", 422, "wrong_shape", "body"),
    ("{}", 422, "missing_field", "rows"),
    ('{"row": []}', 422, "unknown_field", "row"),
    ('{"rows": [], "rows": []}', 422, "doubled_key", "rows"),
    ('{"rows": {}}', 422, "wrong_shape", "rows"),
    ('{"rows": NaN}', 422, "wrong_shape", "rows"),
    ('{"rows": []}', 422, "no_rows", "rows"),
    ('{"rows": [' + ",".join([GOOD] * 6) + "]}", 422, "too_many_rows", "rows"),
    ('{"rows": [1]}', 422, "wrong_shape", "rows[0]"),
    ('{"rows": [[30, "blue", true]]}', 422, "wrong_shape", "rows[0]"),
    ('{"rows": [' + GOOD + ', {"age": 30, "member": true}]}', 422, "missing_feature", "rows[1].colour"),
    ('{"rows": [{"age": 30, "colour": "blue", "member": true, "x": 1}]}', 422, "unknown_feature", "rows[0].x"),
    ('{"rows": [{"age": 30, "colour": "blue", "member": true, "age": 30}]}', 422, "doubled_key", "rows[0].age"),
    ('{"rows": [{"age": "30", "colour": "blue", "member": true}]}', 422, "wrong_type", "rows[0].age"),
    ('{"rows": [{"age": {"a": 1, "a": 2}, "colour": "blue", "member": true}]}', 422, "wrong_type", "rows[0].age"),
    ('{"rows": [{"age": NaN, "colour": "blue", "member": true}]}', 422, "not_finite", "rows[0].age"),
    ('{"rows": [{"age": -Infinity, "colour": "blue", "member": true}]}', 422, "not_finite", "rows[0].age"),
    ('{"rows": [{"age": 1e999, "colour": "blue", "member": true}]}', 422, "not_finite", "rows[0].age"),
    ('{"rows": [{"age": ' + "9" * 5000 + ', "colour": "blue", "member": true}]}', 422, "not_finite", "rows[0].age"),
    ('{"rows": [{"age": 30, "colour": NaN, "member": true}]}', 422, "not_finite", "rows[0].colour"),
    ('{"rows": [{"age": 30, "colour": "green", "member": true}]}', 422, "unknown_category", "rows[0].colour"),
    ('{"rows": [{"age": 30, "colour": null, "member": true}]}', 422, "null_feature", "rows[0].colour"),
    ('{"rows": [{"age": 30, "colour": "red", "member": 1}]}', 422, "wrong_type", "rows[0].member"),
    (r'{"rows": [{"\ud800": 1}]}', 422, "unknown_feature", r"rows[0].\ud800"),
]


@pytest.mark.parametrize(("body", "status", "code", "field"), CASES, ids=lambda value: str(value)[:40])
def test_each_kind_of_bad_body_has_its_answer(body: str | bytes, status: int, code: str, field: str | None) -> None:
    """Status, code and the place."""
    with pytest.raises(RequestError) as caught:
        decode_request(body.encode() if isinstance(body, str) else body, SCHEMA, max_rows=5)
    error = caught.value.body.error
    assert (caught.value.status, error.code, error.field) == (status, code, field)


def test_rows_become_a_matrix_in_their_order() -> None:
    """Names of features in any order, integers and floats alike, escapes understood."""
    body = '{"rows": [' + GOOD + r', {"member": false, "colour": "r\u0065d", "age": 1.5e1}]}'
    assert decode_request(body.encode(), SCHEMA, max_rows=5)[0].tolist() == [[30.0, 1.0, 1.0], [15.0, 0.0, 0.0]]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_on_the_wire_is_read_bit_for_bit(number: float) -> None:
    """As any JSON library writes it."""
    body = json.dumps({"rows": [{"age": number, "colour": "red", "member": True}]}).encode()
    assert float(decode_request(body, SCHEMA, max_rows=1)[0][0, 0]).hex() == number.hex()


TEXT = st.text(alphabet='a€\ud800\x00"\\', max_size=4)  # few characters, the awkward ones among them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.sampled_from(["age", "rows"]), inner),
    max_leaves=8,
)


@settings(max_examples=200)
@given(JSON | st.fixed_dictionaries({"rows": st.lists(JSON, max_size=2)}))
def test_any_json_document_is_decoded_or_refused(document: object) -> None:
    """Nothing but RequestError comes out, and what it says can be sent."""
    try:
        decode_request(json.dumps(document).encode(), SCHEMA, max_rows=5)
    except RequestError as error:
        refusal = error
    else:
        return  # an accidental match of the schema
    assert 400 <= refusal.status < 500
    assert encode_json(refusal.body).decode("utf-8")


@given(st.binary(max_size=50))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    """Including what is no text at all."""
    with pytest.raises(RequestError) as caught:
        decode_request(body, SCHEMA, max_rows=5)
    assert 400 <= caught.value.status < 500


def test_what_is_repeated_of_a_request_is_short() -> None:
    """A key of a megabyte does not make an answer of a megabyte."""
    assert len(shown("x" * 10_000)) < 100
