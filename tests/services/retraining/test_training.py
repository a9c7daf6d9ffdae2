"""Training is reproducible, honest about its metrics, and gives null a meaning."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import lightgbm as lgb
import numpy as np
import pytest
from lifecycle.dask_training import Fitting, Share
from retraining.dataset import DatasetError
from retraining.progress import OnRound
from retraining.quality import measure
from retraining.recipe import read_recipe
from retraining.source import own_dataset
from retraining.training import Trained, masked, rounds_before_patience_ends, split, train, train_on_cluster
from tests.services.workshop import MODELS, Workshop


@dataclass
class OneWorker:
    """A cluster that trains on the first share, here, and keeps what it was asked."""

    workers: int = 1
    asked: list[tuple[list[Share], Fitting]] = field(default_factory=list)

    def fit(self, shares: Iterable[Share], fitting: Fitting, on_round: OnRound | None) -> str:
        """As lgb.train has it: no scikit-learn interface in between."""
        own, *others = shares
        self.asked.append(([own, *others], fitting))
        assert on_round is None
        rows = lgb.Dataset(
            own.matrix,
            label=own.labels,
            group=own.list_sizes,
            feature_name=list(fitting.feature_names),
            categorical_feature=list(fitting.categorical_indices),
            params=fitting.parameters,
        )
        # Of one machine, whatever the way that many would share the work.
        parameters = fitting.parameters | {"tree_learner": "serial", "machines": "10.0.0.1:12400", "num_threads": 1}
        return lgb.train(parameters, rows, fitting.rounds).model_to_string()


def _trees(trained: Trained) -> str:
    return trained.text.partition("\nparameters:")[0]


@pytest.mark.parametrize("model", ["car-loan", "fraud-detection", "recommendation"])
def test_a_cluster_of_one_makes_the_model_of_one_process(model: str, workshop: Workshop) -> None:
    """Stopped at the same round although all were run, and without a word of where it ran."""
    few = {"rounds": 60, "patience_rounds": 4}
    recipe = read_recipe(MODELS, model).model_copy(update=few)
    recipe = recipe.model_copy(update={"parameters": recipe.parameters | {"learning_rate": 0.3}})
    rows = workshop.dataset if model == "car-loan" else own_dataset(recipe, MODELS, lambda _: workshop.data_file)
    rows = rows.slice(0, rows.list_start(9000))
    alone, cluster = train(rows, recipe, num_threads=1), OneWorker()
    together = train_on_cluster(*split(rows, recipe.holdout_fraction), recipe, cluster)
    rounds = alone.parameters["rounds"]
    assert isinstance(rounds, int)
    assert 1 < rounds < 60
    assert together.parameters["rounds"] == rounds
    assert _trees(together) == _trees(alone)
    assert together.metrics == alone.metrics
    assert "10.0.0.1" not in together.text
    assert [fitting.rounds for _, fitting in cluster.asked] == [60, rounds]


@pytest.mark.parametrize("workers", [2, 3])
def test_every_row_has_one_worker_and_lists_stay_whole(workers: int) -> None:
    """Dealt in turn, so that each worker has rows of all times."""
    recipe = read_recipe(MODELS, "recommendation").model_copy(update={"rounds": 2, "patience_rounds": None})
    rows = own_dataset(recipe, MODELS, lambda source: pytest.fail(f"asked for {source}"))
    rows = rows.slice(0, rows.list_start(6000))
    cluster = OneWorker(workers)
    older, newest = split(rows, recipe.holdout_fraction)
    train_on_cluster(older, newest, recipe, cluster)
    ((shares, _),) = cluster.asked
    assert sum(len(share.labels) for share in shares) == len(older)
    for share in shares:
        assert share.list_sizes is not None
        assert share.list_sizes.sum() == len(share.labels) == len(share.matrix)
        assert len(share.labels) == pytest.approx(len(older) / workers, rel=0.05)
    together = np.sort(np.concatenate([share.labels for share in shares]))
    assert np.array_equal(together, np.sort(older.labels))


def test_rows_that_are_too_few_for_so_many_workers_are_refused(workshop: Workshop) -> None:
    """One of them would see no missing value of a nullable feature, and take null for 0."""
    older, newest = split(workshop.dataset, workshop.recipe.holdout_fraction)
    with pytest.raises(DatasetError, match="too few to share out among 400 workers"):
        train_on_cluster(older, newest, workshop.recipe, OneWorker(400))


@pytest.mark.parametrize(
    ("losses", "rounds"),
    [([3, 2, 1], 3), ([3, 1, 2, 2, 0], 2), ([3, 1, 2, 0, 1, 1], 4), ([1, 1, 1], 1), ([float("nan")], 1)],
    ids=["to-the-end", "patience-ends", "just-in-time", "a-tie-gains-nothing", "no-number"],
)
def test_rounds_end_where_patience_does(losses: list[float], rounds: int) -> None:
    """As LightGBM's early stopping has it, with a patience of two."""
    assert rounds_before_patience_ends(losses, 2) == rounds


@pytest.mark.parametrize("num_threads", [1, 2])
def test_the_same_data_and_seed_give_the_same_bytes(workshop: Workshop, trained: Trained, num_threads: int) -> None:
    """Whatever the number of threads: what a killed run left is completed by the next one, on any node."""
    assert train(workshop.dataset, workshop.recipe, num_threads=num_threads).text == trained.text


def test_another_seed_gives_another_model(workshop: Workshop, trained: Trained) -> None:
    """The seed reaches LightGBM, and not only the choice of the hidden cells."""
    other = train(workshop.dataset, workshop.recipe.model_copy(update={"seed": 1}), num_threads=1)
    assert other.text != trained.text
    assert "[seed: 1]" in other.text
    assert f"[seed: {workshop.recipe.seed}]" in trained.text


def test_the_newest_rows_are_held_out(workshop: Workshop, trained: Trained) -> None:
    """No row of the holdout is older than one of training, and none is in both."""
    assert trained.train.window.end < trained.holdout.window.start
    assert len(trained.train) + len(trained.holdout) == len(workshop.dataset)
    assert len(trained.holdout) == round(len(workshop.dataset) * workshop.recipe.holdout_fraction)


def test_the_metrics_are_those_of_the_shipped_file_on_the_holdout(trained: Trained) -> None:
    """Measured again from the text alone."""
    booster = lgb.Booster(model_str=trained.text)
    probabilities = np.asarray(booster.predict(trained.holdout.matrix, num_threads=1))
    assert trained.metrics == measure("binary", trained.holdout.labels, probabilities)
    assert trained.metrics["auc"] > 0.8


def test_parity_rows_give_their_outputs_and_cover_null(trained: Trained) -> None:
    """One of them has every nullable feature missing."""
    booster = lgb.Booster(model_str=trained.text)
    for row in trained.parity:
        vector = np.array([trained.train.schema.encode(row.features)])
        assert float(np.asarray(booster.predict(vector, num_threads=1))[0]) == row.expected[0]
    assert any(value is None for row in trained.parity for value in row.features.values())


def test_null_is_scored_as_missing_and_not_as_zero(trained: Trained) -> None:
    """What hiding cells in training is for: the model knows missing values for each nullable feature."""
    for line in trained.text.splitlines():
        if line.startswith("decision_type="):
            # Bits 2 and 3 of a node's decision type say how it treats a missing value; 2 is "as missing".
            assert all((int(kind) >> 2) & 3 == 2 for kind in line.removeprefix("decision_type=").split())


def test_the_same_cells_are_hidden_each_time_and_only_nullable_ones(workshop: Workshop) -> None:
    """About the share the recipe says."""
    features = workshop.recipe.features
    strict = workshop.recipe.model_copy(
        update={"features": (features[0].model_copy(update={"nullable": False}), *features[1:])}
    )
    schema = workshop.dataset.schema
    first = schema.features[0].model_copy(update={"nullable": False})
    dataset = type(workshop.dataset)(
        schema.model_copy(update={"features": (first, *schema.features[1:])}),
        workshop.dataset.matrix,
        workshop.dataset.labels,
        workshop.dataset.moments,
        None,
    )
    once, again = masked(dataset, strict), masked(dataset, strict)
    assert np.array_equal(once, again, equal_nan=True)
    assert not np.isnan(once[:, 0]).any()
    assert np.isnan(once[:, 1:]).mean() == pytest.approx(strict.masked_fraction, rel=0.2)


def test_a_nullable_feature_that_is_never_missing_is_refused(workshop: Workshop) -> None:
    """LightGBM would score null as 0 without a word."""
    recipe = workshop.recipe.model_copy(update={"masked_fraction": 0.0})
    with pytest.raises(DatasetError, match="car_value is nullable but never missing in training"):
        train(workshop.dataset, recipe, num_threads=1)


def test_a_part_with_one_class_is_refused(workshop: Workshop) -> None:
    """Metrics would be undefined."""
    with pytest.raises(DatasetError, match="holdout part has 1 rows whose labels do not differ"):
        split(workshop.dataset.slice(0, 4), 0.2)


def test_progress_is_told_after_each_round(workshop: Workshop) -> None:
    """Up to the last."""
    told: list[tuple[int, int]] = []
    recipe = workshop.recipe.model_copy(update={"patience_rounds": None})
    train(workshop.dataset, recipe, num_threads=1, on_round=lambda done, rounds: told.append((done, rounds)))
    assert told == [(n, recipe.rounds) for n in range(1, recipe.rounds + 1)]


def test_training_stops_where_the_newest_training_rows_gain_no_more(workshop: Workshop) -> None:
    """The rounds are found without a look at the holdout, and all training rows are trained for so many."""
    recipe = workshop.recipe.model_copy(
        update={"rounds": 400, "patience_rounds": 5, "parameters": workshop.recipe.parameters | {"learning_rate": 0.3}}
    )
    stopped = train(workshop.dataset, recipe, num_threads=1)
    rounds = stopped.parameters["rounds"]
    assert isinstance(rounds, int)
    assert 1 < rounds < 400
    assert lgb.Booster(model_str=stopped.text).num_trees() == rounds
    fixed = train(
        workshop.dataset, recipe.model_copy(update={"rounds": rounds, "patience_rounds": None}), num_threads=1
    )
    assert fixed.text == stopped.text
    spoilt = replace(workshop.dataset, labels=workshop.dataset.labels.copy())
    spoilt.labels[-len(stopped.holdout) :] = 1 - spoilt.labels[-len(stopped.holdout) :]
    assert train(spoilt, recipe, num_threads=1).text == stopped.text


def test_the_thread_count_is_not_in_the_model(trained: Trained) -> None:
    """Neither in the file nor in the manifest's parameters."""
    assert "[num_threads: 0]" in trained.text
    assert "num_threads" not in trained.parameters
