"""The fast reader accepts what the slow one does, reads the same from it, and leaves the rest to it."""

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring.decoding import decode_request
from scoring.errors import RequestError
from scoring.rows import GuardHits, RowReader
from tests.services.scoring.objectives import SCHEMA

READER = RowReader(SCHEMA)
ROW = {"age": 30.5, "balance.eur": -7, "tiny": 0, "colour": "blue", "member": True}
WITH_ROW = '{"rows":[' + json.dumps(ROW) + "]"
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
VALUES = {
    "age": st.none() | NUMBERS,
    "balance.eur": st.none() | NUMBERS,
    "tiny": NUMBERS,
    "colour": st.sampled_from([None, "red", "blue", "a:b", "20 %", "größe"]),
    "member": st.none() | st.booleans(),
}


@settings(max_examples=300)
@given(st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=4), st.booleans(), st.booleans())
def test_both_readers_read_the_same(rows: list[dict[str, Any]], ascii_only: bool, contributions: bool) -> None:  # noqa: FBT001 - drawn
    """Bit for bit; a sign of zero apart, which no tree can see."""
    document = {"rows": rows} | ({"contributions": contributions} if ascii_only else {})
    body = json.dumps(document, ensure_ascii=ascii_only).encode()
    found = READER.read(body, 4)
    matrix, _, wanted = decode_request(body, SCHEMA, 4)
    assert (struct.pack(f"{matrix.size}d", *(matrix.ravel() + 0.0)), found.count, found.contributions) == (
        struct.pack(f"{matrix.size}d", *(value + 0.0 for value in struct.unpack(f"{matrix.size}d", found.vectors))),
        len(matrix),
        wanted,
    )


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ('{"rows":[' + json.dumps(ROW)[:-1] + ',"age":2}]}', "doubled_key", "rows[0].age"),
        ('{"rows":[' + json.dumps(ROW) + '],"rows":[' + json.dumps(ROW) + "]}", "doubled_key", "rows"),
        (WITH_ROW + ',"contributions":false,"contributions":true}', "doubled_key", "contributions"),
        ('{"rows":[' + json.dumps(ROW) + '],"contributions":1}', "wrong_shape", "contributions"),
        ('{"rows":[' + ",".join([json.dumps(ROW)] * 5) + "]}", "too_many_rows", "rows"),
        ('{"rows":[]}', "no_rows", "rows"),
        (json.dumps({"rows": [ROW | {"colour": "green"}]}), "unknown_category", "rows[0].colour"),
        (json.dumps({"rows": [ROW | {"tiny": None}]}), "null_feature", "rows[0].tiny"),
        (json.dumps({"rows": [ROW | {"age": math.nan}]}), "not_finite", "rows[0].age"),
    ],
)
def test_what_msgspec_would_let_pass_is_refused_all_the_same(body: str, code: str, field: str) -> None:
    """Doubled keys above all, of which it takes the last."""
    with pytest.raises(RequestError) as caught:
        READER.read(body.encode(), 4)
    assert (caught.value.body.error.code, caught.value.body.error.field) == (code, field)


@pytest.mark.parametrize("rows", [1, 400], ids=["short", "long"])
def test_a_doubled_key_in_one_row_of_many_is_found(rows: int) -> None:
    """Whichever way the colons are counted."""
    good = json.dumps(ROW)
    doubled = good[:-1] + ',"tiny":1}'
    body = '{"rows":[' + ",".join([good] * (rows - 1) + [doubled]) + "]}"
    with pytest.raises(RequestError) as caught:
        READER.read(body.encode(), 400)
    assert caught.value.body.error.field == f"rows[{rows - 1}].tiny"


@pytest.mark.parametrize(
    ("changes", "hits"),
    [
        ([{}], []),
        ([{"age": None}], [GuardHits("age", "missing", 1)]),
        ([{"age": 18}, {"age": 99}], []),
        (
            [{"age": 17.9}, {"age": 99.1}, {"colour": None}],
            [GuardHits("colour", "missing", 1), GuardHits("age", "out_of_range", 2)],
        ),
    ],
)
def test_odd_values_are_counted_by_feature(changes: list[dict[str, object]], hits: list[GuardHits]) -> None:
    """The range seen in training includes its ends."""
    body = json.dumps({"rows": [ROW | change for change in changes]}).encode()
    assert READER.read(body, 4).guards == hits
