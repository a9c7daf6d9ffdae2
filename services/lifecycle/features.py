"""The feature schema: what a row may hold, and how a row of JSON values becomes the vector the model was trained on."""

import math
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

FeatureErrorCode: TypeAlias = Literal[
    "missing_feature", "unknown_feature", "null_feature", "wrong_type", "not_finite", "unknown_category"
]

MISSING: Final = math.nan
"""How a missing value looks in the vector; LightGBM reads NaN as missing."""

_CATEGORIES_IN_MESSAGE: Final = 20

# LightGBM refuses JSON punctuation in feature names and rewrites spaces, so a schema with such a name
# could never equal the names inside the model file.
FeatureName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]*$", max_length=128)]


class FeatureError(ValueError):
    """A row breaks the schema; `code` says how, `feature` says where."""

    def __init__(self, code: FeatureErrorCode, feature: str, message: str) -> None:
        """Args: code, the name of the feature at fault as the caller wrote it, and a message free of values."""
        super().__init__(message)
        self.code: Final = code
        self.feature: Final = feature
        self.message: Final = message


class _Contract(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _FeatureBase(_Contract):
    _wanted: ClassVar[str]
    """What a value of this kind is called in error messages."""

    name: FeatureName
    nullable: bool
    """Whether a row may give null, which the model reads as missing."""

    def encode(self, value: object) -> float:
        """The number the model wants for `value`.

        Raises:
            FeatureError: the value is not one this feature allows.
        """
        if value is None:
            if self.nullable:
                return MISSING
            raise FeatureError("null_feature", self.name, "This feature may not be null.")
        return self._encode_present(value)

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of the values this feature allows."""
        schema = self._json_schema_present()
        return {"anyOf": [schema, {"type": "null"}]} if self.nullable else schema

    def _encode_present(self, value: object) -> float:
        raise NotImplementedError

    def _json_schema_present(self) -> dict[str, Any]:
        raise NotImplementedError

    def _wrong_type(self, value: object) -> FeatureError:
        return FeatureError("wrong_type", self.name, f"Expected {self._wanted}, got {json_type(value)}.")


class NumericFeature(_FeatureBase):
    """A finite number, given to the model as it is."""

    _wanted = "a number"

    kind: Literal["numeric"] = "numeric"
    minimum: float
    """The smallest value seen in training. Values outside the range are scored all the same."""
    maximum: float
    """The largest value seen in training."""

    def _encode_present(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong_type(value)
        try:
            number = float(value)
        except OverflowError:  # an int past 1.8e308
            number = math.inf
        if not math.isfinite(number):
            raise FeatureError("not_finite", self.name, "Expected a finite number; a missing value is null.")
        return number

    def _json_schema_present(self) -> dict[str, Any]:
        return {"type": "number", "description": f"Seen in training: {self.minimum!r} to {self.maximum!r}."}


class CategoricalFeature(_FeatureBase):
    """One of a fixed list of names; the model sees the position in the list."""

    _wanted = "the name of a category"

    kind: Literal["categorical"] = "categorical"
    categories: Annotated[tuple[str, ...], Field(min_length=1)]
    unseen: Literal["refuse", "missing"] = "refuse"
    """What becomes of another name: the row is refused, or scored as if the value were missing."""

    @model_validator(mode="after")
    def _categories_are_unique(self) -> "CategoricalFeature":
        refuse_doubled(self.categories, f"categories of {self.name}")
        if self.unseen == "missing" and not self.nullable:
            message = f"{self.name}: unseen names can be scored as missing only where it is nullable"
            raise ValueError(message)
        return self

    @cached_property
    def codes(self) -> Mapping[str, float]:
        """The number of each category."""
        return {category: float(code) for code, category in enumerate(self.categories)}

    def _encode_present(self, value: object) -> float:
        if not isinstance(value, str):
            raise self._wrong_type(value)
        code = self.codes.get(value)
        if code is None and self.unseen == "missing":
            return MISSING
        if code is None:
            named = self.categories[:_CATEGORIES_IN_MESSAGE]
            known = ", ".join(named) + (", ..." if len(named) < len(self.categories) else "")
            raise FeatureError("unknown_category", self.name, f"Expected one of: {known}.")
        return code

    def _json_schema_present(self) -> dict[str, Any]:
        if self.unseen == "missing":
            named = ", ".join(self.categories[:_CATEGORIES_IN_MESSAGE])
            return {"type": "string", "description": f"Seen in training: {named}. Another is scored as missing."}
        return {"type": "string", "enum": list(self.categories)}


class BooleanFeature(_FeatureBase):
    """True or false; the model sees 1 and 0."""

    _wanted = "true or false"

    kind: Literal["boolean"] = "boolean"

    def _encode_present(self, value: object) -> float:
        if not isinstance(value, bool):
            raise self._wrong_type(value)
        return float(value)

    def _json_schema_present(self) -> dict[str, Any]:
        return {"type": "boolean"}


Feature: TypeAlias = Annotated[NumericFeature | CategoricalFeature | BooleanFeature, Field(discriminator="kind")]


class FeatureSchema(_Contract):
    """The features of a model, in the order of its columns."""

    features: Annotated[tuple[Feature, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> "FeatureSchema":
        refuse_doubled(self.names, "feature names")
        return self

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names in column order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def categorical_indices(self) -> tuple[int, ...]:
        """The columns that hold category codes."""
        return tuple(i for i, feature in enumerate(self.features) if isinstance(feature, CategoricalFeature))

    def encode(self, row: Mapping[str, object]) -> list[float]:
        """The model's vector for a row that names every feature once.

        An unknown name is reported before a missing one: a misspelt feature is both, and the misspelling is the cause.

        Raises:
            FeatureError: the first feature, in column order, that breaks the schema.
        """
        if row.keys() != self._name_set:
            self._raise_names(row)
        return [feature.encode(row[feature.name]) for feature in self.features]

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of a row."""
        return {
            "type": "object",
            "properties": {feature.name: feature.json_schema() for feature in self.features},
            "required": list(self.names),
            "additionalProperties": False,
        }

    @cached_property
    def _name_set(self) -> frozenset[str]:
        return frozenset(self.names)

    def _raise_names(self, row: Mapping[str, object]) -> None:
        for name in row:
            if name not in self._name_set:
                raise FeatureError("unknown_feature", name, "The model has no feature of this name.")
        for name in self.names:
            if name not in row:
                raise FeatureError("missing_feature", name, "This feature is required.")


def json_type(value: object) -> str:
    """What JSON calls the type of a decoded value, for error messages."""
    for types, name in _JSON_TYPES:
        if isinstance(value, types):
            return name
    return "an unsupported value"


_JSON_TYPES: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (type(None), "null"),
    (bool, "a boolean"),  # before the numbers: bool is an int
    ((int, float), "a number"),
    (str, "a string"),
    (Mapping, "an object"),
    ((list, tuple), "an array"),
)


def refuse_doubled(names: tuple[str, ...], what: str) -> None:
    """Raises ValueError when a name stands twice in `names`."""
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        message = f"{what} must differ; given twice: {', '.join(doubled)}"
        raise ValueError(message)
