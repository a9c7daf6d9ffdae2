"""The recipe: everything that makes one model differ from another, read from models/<name>/recipe.toml."""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias

import lightgbm as lgb
from lifecycle.features import FeatureName, refuse_doubled
from lifecycle.manifest import ModelName
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from retraining.limits import GateLimits
from retraining.reference_data import DataSource

# What the trainer sets itself: a recipe that could change them would break reproducibility or the scoring contract.
RESERVED_PARAMETERS: Final = frozenset(
    {
        *("objective", "seed", "deterministic", "force_row_wise", "force_col_wise", "num_threads", "verbosity"),
        *("num_iterations", "early_stopping_round", "device_type"),
    }
)

_ALIASES: Final[dict[str, list[str]]] = lgb.basic._ConfigAliases._get_all_param_aliases()
_KNOWN: Final = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases)}
"""Every way to write a parameter of LightGBM, which takes no notice of others."""

Fraction: TypeAlias = Annotated[float, Field(gt=0, lt=1)]


class RecipeError(ValueError):
    """There is no such recipe, or it is not a valid one."""


class _Section(BaseModel):
    # Not strict: TOML has arrays where Python has tuples, and 1 may stand for 1.0.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NumericColumn(_Section):
    """A feature that is a number."""

    name: FeatureName
    kind: Literal["numeric"]
    nullable: bool


class BooleanColumn(_Section):
    """A feature that is true or false."""

    name: FeatureName
    kind: Literal["boolean"]
    nullable: bool


class CategoricalColumn(_Section):
    """A feature that is one of a list of names."""

    name: FeatureName
    kind: Literal["categorical"]
    nullable: bool
    categories: Annotated[tuple[str, ...], Field(min_length=1)]


Column: TypeAlias = Annotated[NumericColumn | BooleanColumn | CategoricalColumn, Field(discriminator="kind")]


class Slice(_Section):
    """A part of the rows that a challenger must not serve worse: those whose feature has one of these values."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    feature: FeatureName
    values: Annotated[tuple[bool | str, ...], Field(min_length=1)]


class Recipe(_Section):
    """How one model is made."""

    name: ModelName
    target: str
    time_column: str
    classes: tuple[str, str]
    threshold: Fraction
    holdout_fraction: Fraction
    masked_fraction: Annotated[float, Field(ge=0, lt=0.5)]
    """Share of the cells of nullable features that training does not see.

    LightGBM reads a missing value as 0 in a feature that had none missing in training; with some hidden it learns
    where a row goes whose value is missing.
    """
    rounds: Annotated[int, Field(ge=1, le=100_000)]
    """The most boosting rounds."""
    patience_rounds: Annotated[int, Field(ge=1)] | None = None
    """Rounds without gain on the newest tenth of the training rows after which training stops; unset: it never does.

    The rounds that were found are then trained on all of them.
    """
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    data: DataSource
    parameters: dict[str, bool | int | float | str]
    features: Annotated[tuple[Column, ...], Field(min_length=1)]
    slices: tuple[Slice, ...] = ()
    """The protected slices."""
    gates: GateLimits = GateLimits()

    @model_validator(mode="after")
    def _names_and_parameters_are_ours_to_take(self) -> Self:
        names = (*(feature.name for feature in self.features), self.target, self.time_column)
        refuse_doubled(names, "columns")
        unknown = sorted(self.parameters.keys() - _KNOWN.keys())
        if unknown:
            message = f"parameters that LightGBM does not know: {', '.join(unknown)}"
            raise ValueError(message)
        reserved = sorted(name for name in self.parameters if _KNOWN[name] in RESERVED_PARAMETERS)
        if reserved:
            message = f"parameters the trainer sets itself: {', '.join(reserved)}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _slices_are_of_features(self) -> Self:
        refuse_doubled(tuple(part.name for part in self.slices), "slices")
        columns = {feature.name: feature for feature in self.features}
        for part in self.slices:
            column = columns.get(part.feature)
            allowed: tuple[bool | str, ...] = ()
            if isinstance(column, CategoricalColumn):
                allowed = column.categories
            elif isinstance(column, BooleanColumn):
                allowed = (True, False)
            wrong = [value for value in part.values if value not in allowed]
            if wrong:
                message = f"slice {part.name!r}: {part.feature} has no value {wrong[0]!r}"
                raise ValueError(message)
        return self


def recipe_folder(models_folder: Path, model: str) -> Path:
    """Where a model's recipe lies."""
    return models_folder / model.replace("-", "_")


def read_recipe(models_folder: Path, model: str) -> Recipe:
    """Reads the recipe of a model.

    Raises:
        RecipeError: with one line that names the file and the first property at fault.
    """
    path = recipe_folder(models_folder, model) / "recipe.toml"
    try:
        recipe = Recipe.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        known = (
            ", ".join(sorted(p.parent.name.replace("_", "-") for p in models_folder.glob("*/recipe.toml"))) or "none"
        )
        message = f"{path} does not exist: MODEL_NAME is {model!r}, the models that ship are {known}"
        raise RecipeError(message) from None
    except tomllib.TOMLDecodeError as error:
        message = f"{path}: {error}"
        raise RecipeError(message) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        message = f"{path}: {'.'.join(map(str, first['loc'])) or 'recipe'}: {first['msg']}"
        raise RecipeError(message) from None
    if recipe.name != model:
        message = f"{path}: name is {recipe.name!r}, its folder says {model!r}"
        raise RecipeError(message)
    return recipe
