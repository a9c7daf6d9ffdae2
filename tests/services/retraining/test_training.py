"""Training is reproducible, honest about its metrics, and gives null a meaning."""

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest
from retraining.dataset import DatasetError
from retraining.quality import measure
from retraining.training import Trained, masked, split, train
from tests.services.workshop import Workshop


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
