"""Made-up data for a model that is new, so that it trains and serves before there is any of its own.

Put your data in its place: a program here that gives your columns, or a file in a wheel (docs/how-to/own_model.md).

    column    distribution
    size      N(10, 3)
    age       exponential of mean 5; missing in 5 %
    kind      a 50 %, b 30 %, c 20 %
    label     1 with log odds 0.6 * (size - 10) - 0.3 * (age - 5), and 1.0 more for kind a
"""

from typing import Any

import numpy as np

START = np.datetime64("2025-01-01T00:00:00", "us")


def generate(rows: int, seed: int) -> dict[str, Any]:
    """The rows, oldest first, one a minute; a column for each feature, `label` and `timestamp`.

    Args:
        rows: how many.
        seed: of the random numbers.
    """
    random = np.random.default_rng(seed)
    size, age = random.normal(10, 3, rows), random.exponential(5, rows)
    kind = random.choice(np.array(["a", "b", "c"], dtype=object), rows, p=[0.5, 0.3, 0.2])
    odds = 0.6 * (size - 10) - 0.3 * (age - 5) + np.where(kind == "a", 1.0, 0.0)
    return {
        "timestamp": START + np.arange(rows).astype("timedelta64[m]"),
        "size": size.round(2),
        "age": np.where(random.random(rows) < 0.05, np.nan, age.round(1)),
        "kind": kind,
        "label": (random.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.float64),
    }
