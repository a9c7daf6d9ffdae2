"""The recipe: everything that makes one model differ from another, read from models/<name>/recipe.toml."""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias

from lifecycle.features import FeatureName, refuse_doubled
from lifecycle.manifest import ModelName
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from retraining.reference_data import DataSource

# What the trainer sets itself: a recipe that could change them would break reproducibility or the scoring contract.
RESERVED_PARAMETERS: Final = frozenset(
    {"objective", "seed", "deterministic", "force_row_wise", "force_col_wise", "num_threads", "verbosity"}
)

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
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    data: DataSource
    parameters: dict[str, bool | int | float | str]
    features: Annotated[tuple[Column, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_and_parameters_are_ours_to_take(self) -> Self:
        names = (*(feature.name for feature in self.features), self.target, self.time_column)
        refuse_doubled(names, "columns")
        reserved = RESERVED_PARAMETERS & self.parameters.keys()
        if reserved:
            message = f"parameters the trainer sets itself: {', '.join(sorted(reserved))}"
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
