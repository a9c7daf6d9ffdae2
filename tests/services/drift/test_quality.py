"""What share of odd rows the reference explains."""

import numpy as np
from drift.quality import threshold


def test_the_threshold_is_passed_by_chance_in_about_one_chunk_of_a_thousand() -> None:
    """Whatever the share, and also where the reference has none: its own share is known from its rows alone."""
    random = np.random.default_rng(1)
    for share in (0.0001, 0.01, 0.3):
        known = random.binomial(10_000, share, 20_000)
        chunks = random.binomial(1000, share, 20_000) / 1000
        limits = {odd: threshold(int(odd), 10_000, 1000) for odd in set(known)}
        passed = np.mean([chunk > limits[odd] for odd, chunk in zip(known, chunks, strict=True)])
        assert passed <= 0.003


def test_what_is_missing_altogether_passes_any_threshold_but_that_of_a_column_without_values() -> None:
    """A column that was always missing is nothing new."""
    assert threshold(0, 1000, 1000) < 0.01
    assert threshold(500, 1000, 1000) < 0.6
    assert threshold(1000, 1000, 1000) == 1.0
