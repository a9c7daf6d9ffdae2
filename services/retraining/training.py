"""Training: from a data set and a recipe to the model file, the same bytes each time."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np
from lifecycle.manifest import ParityRow
from lightgbm.callback import CallbackEnv

from retraining.dataset import Dataset, DatasetError
from retraining.progress import OnRound
from retraining.quality import NDCG_AT, Floats, Objective, lists, measure
from retraining.recipe import Recipe
from retraining.settings import DeviceType

_PARITY_ROWS: Final = 8
_TUNING_FRACTION: Final = 0.1
_DEVICE_PARAMETERS: Final[dict[DeviceType, dict[str, bool | int | float | str]]] = {
    "cpu": {},
    # In single precision a GPU's sums differ from the CPU's in the fourth digit.
    "gpu": {"device_type": "gpu", "gpu_use_dp": True},
    "cuda": {"device_type": "cuda"},
}
_LIGHTGBM: Final[dict[Objective, str]] = {"binary": "binary", "regression": "regression", "ranking": "lambdarank"}
_TUNED_BY: Final[dict[Objective, dict[str, str | list[int]]]] = {
    "binary": {"metric": "binary_logloss"},
    "regression": {"metric": "l2"},
    "ranking": {"metric": "ndcg", "eval_at": [NDCG_AT]},
}
"""What tells that another round gains nothing."""
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
    metrics: dict[str, float]
    """On the holdout."""
    parity: tuple[ParityRow, ...]


def train(
    dataset: Dataset,
    recipe: Recipe,
    *,
    num_threads: int,
    device_type: DeviceType = "cpu",
    on_round: OnRound | None = None,
) -> Trained:
    """Trains on the older rows and measures on the newest; the rest is as in `train_on`."""
    older, newest = split(dataset, recipe.holdout_fraction)
    return train_on(older, newest, recipe, num_threads=num_threads, device_type=device_type, on_round=on_round)


def train_on(
    older: Dataset,
    newest: Dataset,
    recipe: Recipe,
    *,
    num_threads: int,
    device_type: DeviceType = "cpu",
    on_round: OnRound | None = None,
) -> Trained:
    """Trains on some rows and measures on others.

    Args:
        older: to be trained on, in order of time.
        newest: to be measured on, in order of time.
        recipe: what to train.
        num_threads: how many threads LightGBM may use. The result does not depend on it.
        device_type: what trains; only on the CPU the same data and seed give the same bytes.
        on_round: told after each boosting round: rounds done, rounds in all. Where training may stop early, the search
            for the number of rounds comes first and the training of all rows with that number second.

    Raises:
        DatasetError: there are too few rows, one class only, or a nullable feature without a missing value.
    """
    matrix = masked(older, recipe)
    parameters = recipe.parameters | {
        "objective": _LIGHTGBM[recipe.objective],
        "seed": recipe.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
        **_DEVICE_PARAMETERS[device_type],
    }
    boosting = _Boosting(older, matrix, parameters | {"num_threads": num_threads}, on_round)
    rounds = boosting.best_rounds(recipe) if recipe.patience_rounds else recipe.rounds
    # The text repeats the parameters. The thread count is the machine's, not the model's, and 0 reads as "any".
    text = _NUM_THREADS.sub("[num_threads: 0]", boosting.run(slice(None), rounds).model_to_string())
    # Measured on the model read back from its text: what is shipped, not what was in memory.
    shipped = lgb.Booster(model_str=text)
    return Trained(
        text=text,
        parameters=parameters | {"rounds": rounds, "masked_fraction": recipe.masked_fraction},
        train=older,
        holdout=newest,
        metrics=measure(recipe.objective, newest.labels, predict(shipped, newest.matrix), newest.groups),
        parity=_parity(shipped, newest),
    )


class _Boosting:
    """Runs LightGBM over parts of the training rows."""

    def __init__(
        self,
        rows: Dataset,
        matrix: Floats,
        parameters: dict[str, Any],
        on_round: OnRound | None,
    ) -> None:
        self._rows = rows
        self._matrix = matrix
        self._parameters = parameters
        self._on_round = on_round

    def run(self, rows: slice, rounds: int) -> lgb.Booster:
        """A model of these rows."""
        return lgb.train(self._parameters, self._part(rows), num_boost_round=rounds, callbacks=self._reporting(rounds))

    def best_rounds(self, recipe: Recipe) -> int:
        """The number of rounds that does best on the newest part of the rows, in a training that has not seen it.

        Raises:
            DatasetError: one of the parts lacks a class.
        """
        cut = len(split(self._rows, _TUNING_FRACTION)[0])
        older = self._part(slice(0, cut))
        stopping = lgb.early_stopping(recipe.patience_rounds or 0, verbose=False)
        searched = lgb.train(
            self._parameters | _TUNED_BY[recipe.objective],
            older,
            num_boost_round=recipe.rounds,
            valid_sets=[self._part(slice(cut, None), reference=older)],
            callbacks=[stopping, *self._reporting(recipe.rounds)],
        )
        return max(1, searched.best_iteration)

    def _part(self, rows: slice, reference: lgb.Dataset | None = None) -> lgb.Dataset:
        schema, groups = self._rows.schema, self._rows.groups
        return lgb.Dataset(
            self._matrix[rows],
            label=self._rows.labels[rows],
            reference=reference,
            group=None if groups is None else [part.stop - part.start for part in lists(groups[rows])],
            feature_name=list(schema.names),
            categorical_feature=list(schema.categorical_indices),
            params=self._parameters,
        )

    def _reporting(self, rounds: int) -> list[Callable[[CallbackEnv], None]]:
        return [_reporter(self._on_round, rounds)] if self._on_round else []


def split(dataset: Dataset, holdout_fraction: float) -> tuple[Dataset, Dataset]:
    """The older rows, and the newest that are held out.

    Raises:
        DatasetError: one of the parts lacks a class.
    """
    cut = dataset.list_start(len(dataset) - round(len(dataset) * holdout_fraction))
    parts = dataset.slice(0, cut), dataset.slice(cut, len(dataset))
    for name, part in zip(("training", "holdout"), parts, strict=True):
        if not part.tells_apart:
            message = f"the {name} part has {len(part)} rows whose labels do not differ: give more rows"
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


def predict(booster: lgb.Booster, matrix: Floats) -> Floats:
    """The outputs: of a binary model the probabilities of class 1. On one thread."""
    return np.asarray(booster.predict(matrix, num_threads=1), dtype=np.float64)


def _parity(booster: lgb.Booster, dataset: Dataset) -> tuple[ParityRow, ...]:
    """Rows spread over the data set, and one with everything missing that may be."""
    rows = [dataset.row(int(i)) for i in np.linspace(0, len(dataset) - 1, _PARITY_ROWS)]
    nullable = {feature.name for feature in dataset.schema.features if feature.nullable}
    if nullable:
        rows.append({name: None if name in nullable else value for name, value in rows[0].items()})
    outputs = predict(booster, np.array([dataset.schema.encode(row) for row in rows]))
    return tuple(
        ParityRow(features=row, outputs=(float(output).hex(),)) for row, output in zip(rows, outputs, strict=True)
    )


def _reporter(on_round: OnRound, rounds: int) -> Callable[[CallbackEnv], None]:
    def report(environment: CallbackEnv) -> None:
        on_round(environment.iteration + 1, rounds)

    return report
