"""The metrics are what their definitions say."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from retraining.quality import auc, average_precision, list_scores, log_loss, measure

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
    metrics = measure("binary", np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert (metrics["auc"], metrics["log_loss"], metrics["brier"]) == (1.0, 0.0, 0.0)


@given(SCORED)
def test_average_precision_is_the_mean_precision_at_each_row_of_class_1(rows: list[tuple[bool, float]]) -> None:
    """Counted row by row; equal scores are one threshold."""
    assume(any(label for label, _ in rows))
    precisions = []
    for _, score in (row for row in rows if row[0]):
        above = [label for label, other in rows if other >= score]
        precisions.append(sum(above) / len(above))
    labels = np.array([float(label) for label, _ in rows])
    scores = np.array([score for _, score in rows])
    assert average_precision(labels, scores) == pytest.approx(sum(precisions) / len(precisions))


def test_ndcg_of_known_lists() -> None:
    """The ideal order, the reverse, and equal scores, which are worth what any order is on average."""
    labels, groups = np.array([2.0, 1.0, 0.0] * 3), np.repeat([4, 5, 6], 3)
    scores = np.array([3.0, 2.0, 1.0, 1.0, 2.0, 3.0, 7.0, 7.0, 7.0])
    discounts = 1 / np.log2([2, 3, 4])
    ideal = np.array([3, 1, 0]) @ discounts
    expected = [1.0, np.array([0, 1, 3]) @ discounts / ideal, 4 / 3 * discounts.sum() / ideal]
    assert list_scores(labels, scores, groups) == pytest.approx(expected)


def test_a_list_without_a_difference_is_left_out_and_only_ten_places_count() -> None:
    """Where all were bought, or none, every order is as good."""
    assert list_scores(np.zeros(3), np.arange(3.0), np.zeros(3, int)).tolist() == []
    labels = np.zeros(12)
    labels[0] = 1
    assert list_scores(labels, np.arange(12.0), np.zeros(12, int)).tolist() == [0.0]


def test_the_errors_of_a_known_regression() -> None:
    """In the unit of the labels, and as the share of their variance that is explained."""
    metrics = measure("regression", np.array([1.0, 3.0]), np.array([2.0, 3.0]))
    assert metrics == pytest.approx({"mae": 0.5, "rmse": math.sqrt(0.5), "r2": 0.5})
