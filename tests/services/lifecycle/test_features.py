"""A row that follows the schema becomes the model's vector; any other is refused by the name of what is wrong."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifecycle.features import BooleanFeature, CategoricalFeature, FeatureError, FeatureSchema, NumericFeature
from pydantic import ValidationError

AGE = NumericFeature(name="age", nullable=False, minimum=0, maximum=99)
INCOME = NumericFeature(name="income", nullable=True, minimum=0, maximum=1e6)
COLOUR = CategoricalFeature(name="colour", nullable=True, categories=("red", "grün", "blue"))
MEMBER = BooleanFeature(name="member", nullable=False)
SCHEMA = FeatureSchema(features=(AGE, INCOME, COLOUR, MEMBER))
ROW: dict[str, Any] = {"age": 30.0, "income": 1.5, "colour": "blue", "member": True}


def test_the_vector_has_the_order_of_the_schema_whatever_the_order_of_the_row() -> None:
    """Names decide, not positions."""
    assert SCHEMA.encode(dict(reversed(ROW.items()))) == [30.0, 1.5, 2.0, 1.0]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_finite_number_reaches_the_model_bit_for_bit(number: float) -> None:
    """No rounding, and the sign of zero stays."""
    assert SCHEMA.encode(ROW | {"age": number})[0].hex() == number.hex()


@given(st.integers())
def test_an_integer_is_its_nearest_float_or_refused(number: int) -> None:
    """An int of any size either encodes or is a FeatureError, never an OverflowError."""
    try:
        expected = float(number)
    except OverflowError:
        with pytest.raises(FeatureError):
            AGE.encode(number)
    else:
        assert AGE.encode(number) == expected


@given(st.integers(min_value=0, max_value=2))
def test_a_category_is_its_position_in_the_list(code: int) -> None:
    """By name, also where the name is not ASCII."""
    assert SCHEMA.encode(ROW | {"colour": COLOUR.categories[code]})[2] == code


def test_null_is_nan_where_the_schema_allows_it() -> None:
    """For numbers and for categories."""
    vector = SCHEMA.encode(ROW | {"income": None, "colour": None})
    assert math.isnan(vector[1])
    assert math.isnan(vector[2])


@pytest.mark.parametrize(
    ("change", "code", "feature"),
    [
        ({"age": None}, "null_feature", "age"),
        ({"member": None}, "null_feature", "member"),
        ({"age": "30"}, "wrong_type", "age"),
        ({"age": True}, "wrong_type", "age"),
        ({"age": [30]}, "wrong_type", "age"),
        ({"age": {}}, "wrong_type", "age"),
        ({"age": math.inf}, "not_finite", "age"),
        ({"age": -math.inf}, "not_finite", "age"),
        ({"age": math.nan}, "not_finite", "age"),
        ({"age": 10**400}, "not_finite", "age"),
        ({"colour": "Blue"}, "unknown_category", "colour"),
        ({"colour": 2}, "wrong_type", "colour"),
        ({"member": 1}, "wrong_type", "member"),
        ({"member": "true"}, "wrong_type", "member"),
        ({"agee": 1}, "unknown_feature", "agee"),
    ],
)
def test_a_wrong_value_is_refused_by_feature_and_kind(change: dict[str, Any], code: str, feature: str) -> None:
    """Each kind of mistake has its own code and names its feature."""
    with pytest.raises(FeatureError) as caught:
        SCHEMA.encode(ROW | change)
    assert (caught.value.code, caught.value.feature) == (code, feature)


def test_a_missing_feature_is_named() -> None:
    """Leaving a feature out is not the same as null, even where null is allowed."""
    with pytest.raises(FeatureError) as caught:
        SCHEMA.encode({name: value for name, value in ROW.items() if name != "income"})
    assert (caught.value.code, caught.value.feature) == ("missing_feature", "income")


def test_a_misspelt_feature_is_reported_as_unknown_rather_than_missing() -> None:
    """The misspelling is what the caller has to find."""
    row = {("incme" if name == "income" else name): value for name, value in ROW.items()}
    with pytest.raises(FeatureError) as caught:
        SCHEMA.encode(row)
    assert (caught.value.code, caught.value.feature) == ("unknown_feature", "incme")


@given(
    st.dictionaries(
        st.sampled_from([*ROW, "other"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.sampled_from(["red", "Red", "", "1"])
        | st.lists(st.none(), max_size=1),
    )
)
def test_any_row_of_json_values_encodes_or_is_refused(row: dict[str, Any]) -> None:
    """Nothing but FeatureError comes out, and what encodes has a number or NaN for each feature."""
    try:
        vector = SCHEMA.encode(row)
    except FeatureError:
        return
    assert len(vector) == 4
    assert not any(map(math.isinf, vector))


def test_the_message_does_not_repeat_the_value() -> None:
    """Answers and logs must be free of payloads."""
    with pytest.raises(FeatureError) as caught:
        SCHEMA.encode(ROW | {"colour": "secret value"})
    assert "secret" not in str(caught.value)


def test_a_schema_reads_back_from_its_json() -> None:
    """Nothing is lost on the way through a manifest."""
    assert FeatureSchema.model_validate_json(SCHEMA.model_dump_json()) == SCHEMA


@pytest.mark.parametrize(
    "features",
    [
        [],
        [{"name": "a", "kind": "boolean", "nullable": False}, {"name": "a", "kind": "boolean", "nullable": False}],
        [{"name": "a", "kind": "categorical", "nullable": False, "categories": []}],
        [{"name": "a", "kind": "categorical", "nullable": False, "categories": ["x", "x"]}],
        [{"name": "a b", "kind": "boolean", "nullable": False}],
        [{"name": 'a"', "kind": "boolean", "nullable": False}],
        [{"name": "a", "kind": "date", "nullable": False}],
        [{"name": "a", "kind": "boolean"}],
        [{"name": "a", "kind": "boolean", "nullable": "no"}],
        [{"name": "a", "kind": "boolean", "nullable": False, "extra": 1}],
    ],
)
def test_a_schema_that_cannot_be_meant_is_refused(features: list[dict[str, Any]]) -> None:
    """Empty, doubled, unknown kinds, missing or additional properties, and names LightGBM would change."""
    with pytest.raises(ValidationError):
        FeatureSchema.model_validate({"features": features})


def test_the_json_schema_lists_every_feature_and_forbids_others() -> None:
    """It is what the OpenAPI document shows."""
    schema = SCHEMA.json_schema()
    assert schema["required"] == ["age", "income", "colour", "member"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["colour"] == {
        "anyOf": [{"type": "string", "enum": ["red", "grün", "blue"]}, {"type": "null"}]
    }
    assert schema["properties"]["member"] == {"type": "boolean"}
