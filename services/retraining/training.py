"""Training: from a data set and a recipe to the model file, the same bytes each time."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np
from lifecycle.manifest import Metrics, ParityRow
from lightgbm.callback import CallbackEnv

from retraining.dataset import Dataset, DatasetError, Floats
from retraining.quality import measure
from retraining.recipe import Recipe

_PARITY_ROWS: Final = 8
_NUM_THREADS: Final = re.compile(r"^\[num_threads: \d+\]$", re.MULTILINE)


@dataclass(frozen=True)
class Trained:
    """A model and what is known of it."""

    text: str
    """The model file."""
    parameters: dict[str, bool | int | float | str]
    """What LightGBM was told, less the number of threads, which changes nothing."""
    train: Dataset
    holdout: Dataset
    metrics: Metrics
    """On the holdout."""
    parity: tuple[ParityRow, ...]


def train(
    dataset: Dataset, recipe: Recipe, *, num_threads: int, on_round: Callable[[int, int], None] | None = None
) -> Trained:
    """Trains on the older rows and measures on the newest.

    Args:
        dataset: rows in order of time.
        recipe: what to train.
        num_threads: how many threads LightGBM may use. The result does not depend on it.
        on_round: told after each boosting round: rounds done, rounds in all.

    Raises:
        DatasetError: there are too few rows, one class only, or a nullable feature without a missing value.
    """
    older, newest = split(dataset, recipe.holdout_fraction)
    matrix = masked(older, recipe)
    parameters = recipe.parameters | {
        "objective": "binary",
        "seed": recipe.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    told: dict[str, Any] = parameters | {"num_threads": num_threads}
    booster = lgb.train(
        told,
        lgb.Dataset(
            matrix,
            label=older.labels,
            feature_name=list(dataset.schema.names),
            categorical_feature=list(dataset.schema.categorical_indices),
            params=told,
        ),
        num_boost_round=recipe.rounds,
        callbacks=[_reporter(on_round, recipe.rounds)] if on_round else None,
    )
    # The text repeats the parameters. The thread count is the machine's, not the model's, and 0 reads as "any".
    text = _NUM_THREADS.sub("[num_threads: 0]", booster.model_to_string())
    # Measured on the model read back from its text: what is shipped, not what was in memory.
    shipped = lgb.Booster(model_str=text)
    return Trained(
        text=text,
        parameters=parameters | {"rounds": recipe.rounds, "masked_fraction": recipe.masked_fraction},
        train=older,
        holdout=newest,
        metrics=measure(newest.labels, _predict(shipped, newest.matrix)),
        parity=_parity(shipped, newest),
    )


def split(dataset: Dataset, holdout_fraction: float) -> tuple[Dataset, Dataset]:
    """The older rows, and the newest that are held out.

    Raises:
        DatasetError: one of the parts lacks a class.
    """
    cut = len(dataset) - round(len(dataset) * holdout_fraction)
    parts = dataset.slice(0, cut), dataset.slice(cut, len(dataset))
    for name, part in zip(("training", "holdout"), parts, strict=True):
        if np.unique(part.labels).size < 2:  # noqa: PLR2004 - binary
            message = f"the {name} part has {len(part)} rows and not both classes: give more rows"
            raise DatasetError(message)
    return parts


def masked(dataset: Dataset, recipe: Recipe) -> Floats:
    """The matrix with a share of the cells of nullable features hidden, the same ones each time.

    Raises:
        DatasetError: a nullable feature has no missing value even so; LightGBM would score null as 0.
    """
    nullable = np.array([feature.nullable for feature in dataset.schema.features])
    chosen = np.random.default_rng(recipe.seed).random(dataset.matrix.shape) < recipe.masked_fraction
    matrix = np.where(chosen & nullable, np.nan, dataset.matrix)
    never_missing = nullable & ~np.isnan(matrix).any(axis=0)
    if never_missing.any():
        name = dataset.schema.names[int(np.argmax(never_missing))]
        message = f"{name} is nullable but never missing in training: set masked_fraction, or nullable = false"
        raise DatasetError(message)
    return matrix


def _predict(booster: lgb.Booster, matrix: Floats) -> Floats:
    return np.asarray(booster.predict(matrix, num_threads=1), dtype=np.float64)


def _parity(booster: lgb.Booster, dataset: Dataset) -> tuple[ParityRow, ...]:
    """Rows spread over the data set, and one with everything missing that may be."""
    rows = [dataset.row(int(i)) for i in np.linspace(0, len(dataset) - 1, _PARITY_ROWS)]
    nullable = {feature.name for feature in dataset.schema.features if feature.nullable}
    if nullable:
        rows.append({name: None if name in nullable else value for name, value in rows[0].items()})
    outputs = _predict(booster, np.array([dataset.schema.encode(row) for row in rows]))
    return tuple(ParityRow(features=row, output=float(output).hex()) for row, output in zip(rows, outputs, strict=True))


def _reporter(on_round: Callable[[int, int], None], rounds: int) -> Callable[[CallbackEnv], None]:
    def report(environment: CallbackEnv) -> None:
        on_round(environment.iteration + 1, rounds)

    return report
