"""Rows of thirty features with labels that depend on some of them, and how a model is made of them."""

from datetime import UTC, datetime
from typing import Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
from retraining.dataset import Dataset
from retraining.recipe import Recipe

from benchmarks.columns import CATEGORICAL, NUMERIC, WORDS, schema

HOLDOUT_ROWS: Final = 100_000
ROUNDS: Final = 100

SCHEMA: Final = schema(7.0)

RECIPE: Final = Recipe.model_validate(
    {
        "name": "bench",
        "target": "label",
        "time_column": "time",
        "classes": ("no", "yes"),
        "threshold": 0.5,
        "holdout_fraction": 0.1,
        "masked_fraction": 0.02,
        "rounds": ROUNDS,
        "seed": 1,
        "data": {"generator": "generator.py", "rows": 1, "seed": 1},
        "parameters": {"num_leaves": 31, "learning_rate": 0.1},
        "features": [
            *({"name": name, "kind": "numeric", "nullable": True} for name in NUMERIC),
            *({"name": name, "kind": "categorical", "nullable": True, "categories": WORDS} for name in CATEGORICAL),
        ],
    }
)


def dataset(rows: int, seed: int) -> Dataset:
    """The same rows for the same seed; each a millisecond after the one before."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(rows, len(NUMERIC)))
    words = random.integers(len(WORDS), size=(rows, len(CATEGORICAL)))
    score = numbers[:, :4].sum(axis=1) + numbers[:, 4] * numbers[:, 5] + 0.5 * (words[:, 0] % 3 - words[:, 1] % 2)
    labels = (random.uniform(size=rows) < 1 / (1 + np.exp(-score))).astype(float)
    begin = np.datetime64(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None), "us")
    names = pa.array(WORDS)
    table = pa.table(
        {name: numbers[:, place] for place, name in enumerate(NUMERIC)}
        | {name: names.take(pa.array(words[:, place])) for place, name in enumerate(CATEGORICAL)}
    )
    moments = begin + np.arange(rows).astype("timedelta64[ms]")
    return Dataset(SCHEMA, np.column_stack([numbers, words.astype(float)]), labels, moments, table)
