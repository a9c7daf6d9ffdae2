"""A challenger made worse on purpose is refused by the gate that should; an equal one passes."""

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest
from lifecycle.features import FeatureSchema, NumericFeature
from retraining.dataset import Dataset
from retraining.footprint import Footprint
from retraining.gates import Trial, expected_calibration_error, judge
from retraining.limits import GateLimits
from retraining.quality import Floats
from retraining.training import split, train
from tests.services.workshop import Workshop

LIMITS = GateLimits(least_rows=200, least_rows_of_a_class=20, calibration_error_limit=0.1, resamples=200)
"""The small model was trained on few rows, for few rounds."""

ROUNDS = 60


def _predict(dataset: Dataset, rows: Dataset, workshop: Workshop) -> Floats:
    """Answers for the rows of a model that was trained on the data set."""
    recipe = workshop.recipe.model_copy(update={"rounds": ROUNDS})
    booster = lgb.Booster(model_str=train(dataset, recipe, num_threads=1).text)
    return np.asarray(booster.predict(rows.matrix, num_threads=1), dtype=np.float64)


@pytest.fixture(scope="module")
def older(workshop: Workshop) -> Dataset:
    """What models are trained on."""
    return split(workshop.dataset, 0.25)[0]


@pytest.fixture(scope="module")
def newest(workshop: Workshop) -> Dataset:
    """What no model has seen."""
    return split(workshop.dataset, 0.25)[1]


@pytest.fixture(scope="module")
def trial(workshop: Workshop, older: Dataset, newest: Dataset) -> Trial:
    """The champion against itself."""
    answers = _predict(older, newest, workshop)
    return Trial(
        labels=newest.labels,
        champion=answers,
        challenger=answers,
        matrix=newest.matrix,
        champion_schema=newest.schema,
        challenger_schema=newest.schema,
        fast=answers[:100],
        footprint=Footprint(row_microseconds=10, memory_mib=1),
        slices={"previous loan repaid": newest.matrix[:, 4] == 1, "not": newest.matrix[:, 4] != 1},
    )


def test_an_equal_challenger_passes_every_gate(trial: Trial) -> None:
    """So that what is refused below is refused for what was done to it."""
    verdict = judge(trial, LIMITS)
    assert verdict.refusals == ()
    assert len(verdict.findings) == 10
    assert all(finding.reason for finding in verdict.findings)


def test_shuffled_labels_are_refused_by_the_metric(
    trial: Trial, older: Dataset, newest: Dataset, workshop: Workshop
) -> None:
    """The model learnt nothing."""
    shuffled = np.random.default_rng(0).permutation(older.labels)
    worse = replace(trial, challenger=_predict(replace(older, labels=shuffled), newest, workshop))
    assert "metric" in judge(worse, LIMITS).refusals


def test_hidden_features_are_refused_by_the_metric(
    trial: Trial, older: Dataset, newest: Dataset, workshop: Workshop
) -> None:
    """A model that learnt without four of seven columns, under the same schema."""
    matrix = older.matrix.copy()
    matrix[:, [0, 2, 4, 5]] = np.nan
    worse = replace(trial, challenger=_predict(replace(older, matrix=matrix), newest, workshop))
    assert "metric" in judge(worse, LIMITS).refusals


def test_truncated_features_are_refused_by_the_schema(trial: Trial, newest: Dataset) -> None:
    """Clients would have to change; the features that went are named."""
    truncated = FeatureSchema(features=newest.schema.features[:-2])
    worse = replace(trial, challenger_schema=truncated, matrix=newest.matrix[:, :-2])
    verdict = judge(worse, LIMITS)
    assert verdict.refusals == ("schema",)
    (finding,) = (finding for finding in verdict.findings if not finding.passed)
    assert all(feature.name in finding.reason for feature in newest.schema.features[-2:])


def test_a_leaked_column_is_refused_by_the_leak_gate(trial: Trial, newest: Dataset) -> None:
    """Also where the champion has the column too and the answers look fine."""
    leaked = newest.labels * 100 + np.random.default_rng(0).random(len(newest))
    name = NumericFeature(name="repaid_on", nullable=False, minimum=0, maximum=101)
    schema = FeatureSchema(features=(*newest.schema.features, name))
    matrix = np.column_stack([newest.matrix, leaked])
    verdict = judge(replace(trial, champion_schema=schema, challenger_schema=schema, matrix=matrix), LIMITS)
    assert verdict.refusals == ("leak",)
    (finding,) = (finding for finding in verdict.findings if not finding.passed)
    assert "repaid_on" in finding.reason


def test_a_slice_that_loses_is_refused_though_the_whole_does_not(trial: Trial) -> None:
    """A margin so wide that only the slice can refuse."""
    some = np.arange(len(trial.labels)) % 5 == 0
    spoilt = np.where(some, 1 - trial.challenger, trial.challenger)
    limits = LIMITS.model_copy(
        update={"auc_margin": 0.9, "brier_margin": 0.9, "calibration_error_limit": 0.9, "mean_shift_limit": 0.9}
    )
    assert judge(replace(trial, challenger=spoilt, fast=spoilt, slices={"some": some}), limits).refusals == ("slices",)


@pytest.mark.parametrize(
    ("spoil", "gate"),
    [
        (lambda given: given**4, "calibration"),
        (lambda given: np.full_like(given, 0.5), "predictions"),
        (lambda given: given + 1, "probabilities"),
        (lambda given: np.full_like(given, np.nan), "probabilities"),
    ],
    ids=["distorted", "constant", "above-one", "not-a-number"],
)
def test_answers_that_are_no_fair_probabilities_are_refused(trial: Trial, spoil: object, gate: str) -> None:
    """Whatever their order says."""
    assert callable(spoil)
    assert gate in judge(replace(trial, challenger=spoil(trial.challenger)), LIMITS).refusals


def test_missing_inputs_fail_their_gates(trial: Trial) -> None:
    """Nothing passes because nothing was there."""
    missing = replace(trial, champion=None, champion_schema=None, fast=None, footprint=None)
    assert judge(missing, LIMITS).refusals == ("schema", "metric", "slices", "calibration", "budget", "parity")
    empty = replace(trial, slices={"nobody": np.zeros(len(trial.labels), dtype=bool)})
    assert judge(empty, LIMITS).refusals == ("slices",)


@pytest.mark.parametrize("rows", [0, 1, 199])
def test_too_few_rows_are_refused_alone(trial: Trial, rows: int) -> None:
    """The other gates are not asked."""
    few = replace(trial, labels=trial.labels[:rows])
    verdict = judge(few, LIMITS)
    assert verdict.refusals == ("rows",)
    assert len(verdict.findings) == 1


def test_one_class_is_refused_alone(trial: Trial) -> None:
    """However many rows there are."""
    assert judge(replace(trial, labels=np.ones_like(trial.labels)), LIMITS).refusals == ("rows",)


def test_the_calibration_error_is_the_weighted_gap() -> None:
    """Three bins with gaps of 0.95, 0.15 and twice 0.05 over four rows."""
    labels, given = np.array([0.0, 1.0, 1.0, 1.0]), np.array([0.15, 0.05, 0.95, 0.95])
    assert expected_calibration_error(labels, given) == pytest.approx(
        (0.85 + 0.95 - 1 + 0.15 - 0.15 + 0.1) / 4, abs=0.5
    )


def test_a_model_that_is_slow_or_large_is_refused_by_the_budget(trial: Trial) -> None:
    """Either is enough."""
    for footprint in (Footprint(501, 1), Footprint(10, 65)):
        assert judge(replace(trial, footprint=footprint), LIMITS).refusals == ("budget",)


def test_one_answer_that_differs_in_its_last_bit_is_refused_by_parity(trial: Trial) -> None:
    """Scoring would not load such a model."""
    fast = trial.challenger.copy()
    fast[7] = np.nextafter(fast[7], 1)
    assert judge(replace(trial, fast=fast), LIMITS).refusals == ("parity",)
