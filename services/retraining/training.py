"""Training: from a data set and a recipe to the model file, the same bytes each time."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import lightgbm as lgb
import numpy as np
from lifecycle.dask_training import Fitting, Share
from lifecycle.manifest import ParityRow
from lightgbm.callback import CallbackEnv

from retraining.dataset import Dataset, DatasetError
from retraining.progress import OnRound
from retraining.quality import NDCG_AT, Floats, Groups, Objective, list_scores, lists, log_loss, measure
from retraining.recipe import Recipe, own_name
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
_OF_THE_MACHINES: Final = re.compile(r"^\[(num_threads|num_machines|local_listen_port|machines): .*\]$", re.MULTILINE)
"""The text repeats the parameters, and these are of the machines that trained, not of the model."""
_OF_NONE: Final = {"num_threads": "0", "num_machines": "1", "local_listen_port": "12400", "machines": ""}
"""What LightGBM takes where nothing is said; 0 threads reads as "any"."""


class ClusterUnavailableError(Exception):
    """The cluster does not answer, lacks workers, or lost one during a training."""


class Cluster(Protocol):
    """Workers that train together; `retraining.spread` has the one that there is."""

    @property
    def workers(self) -> int:
        """How many share the rows."""

    def fit(self, shares: Iterable[Share], fitting: Fitting, on_round: OnRound | None) -> str:
        """The text of the model that they make of the shares, one a worker; each is let go once it is sent.

        Raises:
            ClusterUnavailableError: there is no answer to be had.
        """


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
    parameters = _parameters(recipe) | _DEVICE_PARAMETERS[device_type]
    told = parameters | {"num_threads": num_threads}
    boosting = _InProcess(older, masked(older, recipe), told, on_round)
    return _trained(older, newest, recipe, boosting, parameters)


def train_on_cluster(
    older: Dataset, newest: Dataset, recipe: Recipe, cluster: Cluster, on_round: OnRound | None = None
) -> Trained:
    """Trains on a cluster what `train_on` trains here, as well and not to the byte: each worker bins what it holds.

    Dask's interface has no early stopping: where training may stop early, all rounds are run before it is looked at
    which of them would have been the last.

    Raises:
        DatasetError: as in `train_on`, or a worker's share of the rows is too small.
        ClusterUnavailableError: there is no answer to be had.
    """
    parameters = {"tree_learner": "data"} | _parameters(recipe)
    boosting = _OnCluster(older, masked(older, recipe), parameters, on_round, cluster)
    return _trained(older, newest, recipe, boosting, parameters | {"num_machines": cluster.workers})


def _parameters(recipe: Recipe) -> dict[str, bool | int | float | str]:
    return recipe.parameters | {
        "objective": _LIGHTGBM[recipe.objective],
        "seed": recipe.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def _trained(
    older: Dataset,
    newest: Dataset,
    recipe: Recipe,
    boosting: "_Boosting",
    parameters: dict[str, bool | int | float | str],
) -> Trained:
    rounds = boosting.best_rounds(recipe, recipe.patience_rounds) if recipe.patience_rounds else recipe.rounds
    text = _OF_THE_MACHINES.sub(lambda line: f"[{line[1]}: {_OF_NONE[line[1]]}]", boosting.run(slice(None), rounds))
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


class _Boosting(Protocol):
    """Runs LightGBM over parts of the training rows."""

    def run(self, rows: slice, rounds: int) -> str:
        """The text of a model of these rows."""

    def best_rounds(self, recipe: Recipe, patience: int) -> int:
        """The number of rounds that does best on the newest part of the rows, in a training that has not seen it.

        Raises:
            DatasetError: one of the parts lacks a class.
        """


class _InProcess:
    """Here."""

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

    def run(self, rows: slice, rounds: int) -> str:
        """See _Boosting."""
        reporting = self._reporting(rounds)
        return lgb.train(
            self._parameters, self._part(rows), num_boost_round=rounds, callbacks=reporting
        ).model_to_string()

    def best_rounds(self, recipe: Recipe, patience: int) -> int:
        """See _Boosting."""
        cut = len(split(self._rows, _TUNING_FRACTION)[0])
        older = self._part(slice(0, cut))
        stopping = lgb.early_stopping(patience, verbose=False)
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


@dataclass(frozen=True)
class _OnCluster:
    """On workers."""

    rows: Dataset
    matrix: Floats
    parameters: dict[str, Any]
    on_round: OnRound | None
    cluster: Cluster

    def run(self, rows: slice, rounds: int) -> str:
        """See _Boosting."""
        schema = self.rows.schema
        fitting = Fitting(
            parameters={own_name(name): value for name, value in self.parameters.items()},
            rounds=rounds,
            feature_names=schema.names,
            categorical_indices=tuple(schema.categorical_indices),
            ranking=self.rows.groups is not None,
            topic="",
        )
        return self.cluster.fit(self._shares(rows), fitting, self.on_round)

    def best_rounds(self, recipe: Recipe, patience: int) -> int:
        """See _Boosting."""
        cut = len(split(self.rows, _TUNING_FRACTION)[0])
        searched = lgb.Booster(model_str=self.run(slice(0, cut), recipe.rounds))
        newest = slice(cut, None)
        groups = None if self.rows.groups is None else self.rows.groups[newest]
        losses = _losses(recipe.objective, searched, self.matrix[newest], self.rows.labels[newest], groups)
        return rounds_before_patience_ends(losses, patience)

    def _shares(self, rows: slice) -> Iterator[Share]:
        """Dealt out in turn, lists as a whole: a worker finds bins in its own rows, which must be like the others'.

        Raises:
            DatasetError: in a share a nullable feature is never missing; LightGBM would score null as 0.
        """
        matrix, labels = self.matrix[rows], self.rows.labels[rows]
        parts = [] if self.rows.groups is None else lists(self.rows.groups[rows])
        workers = self.cluster.workers
        nullable = np.array([feature.nullable for feature in self.rows.schema.features])
        for worker in range(workers):
            own = parts[worker::workers]
            places = np.r_[tuple(own)] if own else slice(worker, None, workers)
            share = Share(
                matrix=np.ascontiguousarray(matrix[places]),
                labels=np.ascontiguousarray(labels[places]),
                list_sizes=np.array([part.stop - part.start for part in own]) if own else None,
            )
            if 0 < len(parts) < workers or (nullable & ~np.isnan(share.matrix).any(axis=0)).any():
                message = f"{len(labels)} rows are too few to share out among {workers} workers"
                raise DatasetError(message)
            yield share


def _losses(
    objective: Objective, booster: lgb.Booster, matrix: Floats, labels: Floats, groups: Groups | None
) -> Iterator[float]:
    """What LightGBM would have told after each round; less is better."""
    raw = np.zeros(len(labels))
    for done in range(booster.num_trees()):
        raw += np.asarray(booster.predict(matrix, raw_score=True, start_iteration=done, num_iteration=1, num_threads=1))
        if objective == "binary":
            yield log_loss(labels, 1 / (1 + np.exp(-raw)))
        elif objective == "regression":
            yield float(np.square(raw - labels).mean())
        else:
            yield -float(list_scores(labels, raw, groups).mean())


def rounds_before_patience_ends(losses: Iterable[float], patience: int) -> int:
    """The round with the least loss before the first that is so many rounds later without less; 1 at least."""
    best, least = 0, math.inf
    for done, loss in enumerate(losses):
        if loss < least:
            best, least = done, loss
        elif done - best >= patience:
            break
    return best + 1


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
