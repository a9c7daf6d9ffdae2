"""The recipe: everything that makes one model differ from another, read from models/<name>/recipe.toml."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

import lightgbm as lgb
from lifecycle.features import FeatureName, refuse_doubled
from lifecycle.manifest import ModelName
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from retraining.limits import GateLimits
from retraining.quality import METRICS, Metric, Objective
from retraining.reference_data import DataSource

# What the trainer sets itself: a recipe that could change them would break reproducibility or the scoring contract.
RESERVED_PARAMETERS: Final = frozenset(
    {
        *("objective", "seed", "deterministic", "force_row_wise", "force_col_wise", "num_threads", "verbosity"),
        *("num_iterations", "early_stopping_round", "device_type"),
        *("machines", "num_machines", "machine_list_filename", "local_listen_port"),
    }
)

_ALIASES: Final[dict[str, list[str]]] = lgb.basic._ConfigAliases._get_all_param_aliases()
_KNOWN: Final = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases)}
"""Every way to write a parameter of LightGBM, which takes no notice of others."""


def own_name(parameter: str) -> str:
    """LightGBM's own name of a parameter that it knows, whatever alias was written."""
    return _KNOWN[parameter]


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
    unseen: Literal["refuse", "missing"] = "refuse"
    """What becomes of another name: the row is refused, or scored as if it were missing, and flagged."""


Column: TypeAlias = Annotated[NumericColumn | BooleanColumn | CategoricalColumn, Field(discriminator="kind")]


class GeneratedData(_Section):
    """Data that a program in the model's folder makes when it is needed: `generate(rows, seed)` gives its columns."""

    generator: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.py$")]
    """The program's file; pure, so that the same rows and seed give the same data."""
    rows: Annotated[int, Field(ge=1, le=10_000_000)]
    seed: Annotated[int, Field(ge=0, lt=2**31)]


def _kind_of_data(data: Any) -> str:  # noqa: ANN401 - whatever stands in the file
    return (
        "generated" if isinstance(data, GeneratedData) or (isinstance(data, dict) and "generator" in data) else "wheel"
    )


Data: TypeAlias = Annotated[
    Annotated[DataSource, Tag("wheel")] | Annotated[GeneratedData, Tag("generated")], Discriminator(_kind_of_data)
]


class Guard(_Section):
    """Asks for an input guard: rows that no row of training resembles are counted and alerted on."""

    anomaly_margin: Annotated[float, Field(ge=1, le=100)] = 1.25
    """How many times as far as the furthest row of training a row may lie."""


class Slice(_Section):
    """A part of the rows that a challenger must not serve worse: those whose feature has one of these values."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    feature: FeatureName
    values: Annotated[tuple[bool | str, ...], Field(min_length=1)]


class Recipe(_Section):
    """How one model is made."""

    name: ModelName
    objective: Objective = "binary"
    metric: Metric | None = None
    """What a challenger must not lose; unset: `auc`, `mae` or `ndcg`, by the objective."""
    target: str
    time_column: str
    group_column: str | None = None
    """Ranking: what tells which rows were candidates of one request. In the prediction log their ids do."""
    classes: tuple[()] | tuple[str, str] = ()
    """Binary: the names of label 0 and of label 1."""
    threshold: Fraction | None = None
    """Binary: the second class is answered from this probability on."""
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
    data: Data
    parameters: dict[str, bool | int | float | str]
    features: Annotated[tuple[Column, ...], Field(min_length=1)]
    slices: tuple[Slice, ...] = ()
    """The protected slices."""
    gates: GateLimits = GateLimits()
    guard: Guard | None = None

    @property
    def main_metric(self) -> Metric:
        """What a challenger must not lose."""
        return self.metric or METRICS[self.objective][0]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the data must have."""
        others = (self.target, self.time_column, self.group_column)
        return (*(feature.name for feature in self.features), *(name for name in others if name is not None))

    @model_validator(mode="after")
    def _fits_the_objective(self) -> Self:
        wanted = {
            "classes": (bool(self.classes), self.objective == "binary"),
            "threshold": (self.threshold is not None, self.objective == "binary"),
            "group_column": (self.group_column is not None, self.objective == "ranking"),
        }
        for name, (given, needed) in wanted.items():
            if given != needed:
                message = f"{name}: a {self.objective} model {'needs it' if needed else 'has none'}"
                raise ValueError(message)
        if self.main_metric not in METRICS[self.objective]:
            message = f"metric: of a {self.objective} model it is one of {', '.join(METRICS[self.objective])}"
            raise ValueError(message)
        if self.guard is not None and not any(isinstance(feature, NumericColumn) for feature in self.features):
            message = "guard: needs a numeric feature"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _names_and_parameters_are_ours_to_take(self) -> Self:
        refuse_doubled(self.columns, "columns")
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
