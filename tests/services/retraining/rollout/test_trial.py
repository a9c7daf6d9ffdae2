"""Figures of a trial, and what they are at least when they come of few requests."""

import random
from math import inf

import pytest
from retraining.rollout.trial import Buckets, Observed, Side, drift, error_rate, share, slow_share

BOUNDS = (0.001, 0.01, 0.1, inf)


def seconds(*counts: float) -> Buckets:
    """A histogram of durations, cumulative."""
    return Buckets(BOUNDS, counts)


@pytest.mark.parametrize(
    ("buckets", "value", "expected"),
    [
        (seconds(10, 20, 20, 20), 0.001, 0.5),
        (seconds(10, 20, 20, 20), 0.0055, 0.75),
        (seconds(10, 20, 20, 20), 5.0, 1.0),
        (seconds(0, 0, 0, 10), 5.0, 0.0),
        (Buckets(), 1.0, 0.0),
    ],
    ids=["at a bound", "on a straight line", "above all", "only the last, which has no end", "nothing"],
)
def test_the_share_at_or_below_a_value(buckets: Buckets, value: float, expected: float) -> None:
    """Within a bucket on a straight line; of the last nothing is known."""
    assert buckets.at_or_below(value) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("buckets", "quantile", "expected"),
    [
        (seconds(100, 100, 100, 100), 0.95, 0.00095),
        (seconds(0, 100, 100, 100), 0.5, 0.0055),
        (seconds(0, 0, 0, 100), 0.5, 0.1),
        (Buckets(), 0.5, 0.0),
    ],
    ids=["in the first", "in the second", "beyond the last bound", "nothing"],
)
def test_quantiles(buckets: Buckets, quantile: float, expected: float) -> None:
    """As Prometheus reads them."""
    assert buckets.quantile(quantile) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("count", "total", "value", "at_least", "at_most"),
    [
        (0, 0, 0, 0, 0),
        (0, 10, 0, 0, 0),
        (1, 10, 0.1, 0.0, 0.05),
        (5, 5, 1.0, 0.4, 0.5),
        (200, 10_000, 0.02, 0.016, 0.018),
    ],
)
def test_a_share_of_few_is_little_proof(
    count: float, total: float, value: float, at_least: float, at_most: float
) -> None:
    """Five failures of five are enough to tell, one of ten is not."""
    found = share(count, total)
    assert found.value == value
    assert at_least <= found.surely <= at_most


def test_errors_are_what_the_challenger_could_not_answer() -> None:
    """Of what it was given."""
    assert error_rate(Side(answered=90, failed=10)).value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("challenger", "slow"),
    [(seconds(990, 1000, 1000, 1000), 0.0), (seconds(0, 0, 1000, 1000), 0.9), (seconds(800, 800, 1000, 1000), 0.2)],
    ids=["alike", "all are slow", "a fifth are"],
)
def test_slow_is_what_takes_longer_than_the_champions_percentile_times_the_ratio(
    challenger: Buckets, slow: float
) -> None:
    """Whose 95th percentile lies at 0.96 ms, so that twice that is 1.9 ms."""
    observed = Observed(Side(seconds=seconds(9900, 10_000, 10_000, 10_000)), Side(seconds=challenger))
    found = slow_share(observed, 2.0, 0.0001)
    assert found.value == pytest.approx(slow, abs=0.1)
    assert found.surely <= found.value


def test_what_is_below_the_floor_is_never_slow() -> None:
    """Ten times as long as nothing is still nothing."""
    observed = Observed(Side(seconds=seconds(1000, 1000, 1000, 1000)), Side(seconds=seconds(0, 1000, 1000, 1000)))
    assert slow_share(observed, 2.0, 0.05).value == 0


def outputs(values: list[float]) -> Buckets:
    """A histogram of probabilities as scoring has it."""
    bounds = (*(round(0.05 * i, 2) for i in range(1, 21)), inf)
    return Buckets(bounds, tuple(float(sum(value <= bound for value in values)) for bound in bounds))


@pytest.mark.parametrize("rows", [50, 500, 5000])
def test_two_samples_of_one_distribution_do_not_drift_for_sure(rows: int) -> None:
    """In a hundred draws, however few rows they have: their distance is within what chance allows."""
    draw = random.Random(7)  # noqa: S311 - guards nothing
    for _ in range(100 if rows < 5000 else 10):
        one, other = ([draw.betavariate(2, 1) for _ in range(rows)] for _ in range(2))
        found = drift(Observed(Side(outputs=outputs(one)), Side(outputs=outputs(other))))
        assert found.surely < 0.02


def test_a_shift_drifts() -> None:
    """By the largest distance between the cumulative shares."""
    low, high = outputs([0.2] * 400), outputs([0.8] * 400)
    found = drift(Observed(Side(outputs=low), Side(outputs=high)))
    assert found.value == 1
    assert found.surely > 0.8
    assert drift(Observed(Side(outputs=low), Side())).value == 0
