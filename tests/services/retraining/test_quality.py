"""The metrics are what their definitions say."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from retraining.quality import auc, log_loss, measure

SCORED = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])), min_size=2, max_size=30)


@given(SCORED)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[bool, float]]) -> None:
    """Counted pair by pair, a tie as a half."""
    positives = [score for label, score in rows if label]
    negatives = [score for label, score in rows if not label]
    assume(positives and negatives)
    pairs = [(p > n) + (p == n) / 2 for p in positives for n in negatives]
    labels = np.array([float(label) for label, _ in rows])
    scores = np.array([score for _, score in rows])
    assert auc(labels, scores) == pytest.approx(sum(pairs) / len(pairs))


def test_log_loss_of_a_known_case() -> None:
    """The mean of -ln of the probability given to what happened."""
    assert log_loss(np.array([1.0, 0.0]), np.array([0.8, 0.4])) == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)


def test_a_certain_and_wrong_prediction_costs_much_but_not_infinity() -> None:
    """The manifest holds finite numbers only."""
    assert 300 < log_loss(np.array([1.0, 0.0]), np.array([0.0, 1.0])) < math.inf


def test_all_metrics_of_a_perfect_model() -> None:
    """The best value of each."""
    metrics = measure(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert (metrics["auc"], metrics["log_loss"], metrics["brier"]) == (1.0, 0.0, 0.0)
