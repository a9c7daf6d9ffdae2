"""What is asked of every contestant: a model made here, and rows that no two requests in a row share."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

MODEL: Final = "bench"
FEATURES: Final = tuple(f"feature_{index:02d}" for index in range(30))
TREES: Final = 200
"""With 31 leaves a tree: one row takes the C call about 12 us."""
SINGLE_ROWS: Final = 512
"""Bodies of one row that are sent in turn."""
BATCH_ROWS: Final = 64
BATCHES: Final = 64
"""Bodies of 64 rows that are sent in turn."""

_TRAINING_ROWS: Final = 20_000
_DECIMALS: Final = 4
"""Digits after the point, as measurements and amounts have them."""

Floats = npt.NDArray[np.float64]


def make_matrix() -> Floats:
    """The rows of the requests, the same ones each time."""
    shape = (BATCH_ROWS * BATCHES, len(FEATURES))
    return np.round(np.random.default_rng(2).normal(size=shape), _DECIMALS)


def read_matrix() -> Floats:
    """The same, as `write_matrix` left it: another NumPy may draw other numbers."""
    matrix: Floats = np.load(Path(os.environ["BENCH_ROWS_FILE"]))
    return matrix


def write_training_inputs(folder: Path) -> None:
    """Writes what `python -m retraining` trains from: models/bench/recipe.toml and data/bench.csv."""
    random = np.random.default_rng(1)
    matrix = np.round(random.normal(size=(_TRAINING_ROWS, len(FEATURES))), _DECIMALS)
    score = matrix @ random.normal(size=len(FEATURES)) + 2 * matrix[:, 0] * matrix[:, 1]
    labels = (score + random.normal(size=_TRAINING_ROWS) > 0).astype(int)
    minutes = np.datetime64("2026-01-01T00:00") + np.arange(_TRAINING_ROWS)
    lines = [",".join(("time", *FEATURES, "label"))]
    for minute, row, label in zip(minutes, matrix, labels, strict=True):
        lines.append(",".join((f"{minute}:00", *(repr(float(value)) for value in row), str(label))))
    text = ("\n".join(lines) + "\n").encode()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "bench.csv").write_bytes(text)
    (folder / "models" / MODEL).mkdir(parents=True, exist_ok=True)
    (folder / "models" / MODEL / "recipe.toml").write_text(_recipe(hashlib.sha256(text).hexdigest()))


def bodies_of(matrix: Floats, rows_per_body: int, count: int) -> list[list[list[float]]]:
    """The rows of each body."""
    rows: list[list[float]] = matrix[: rows_per_body * count].tolist()
    return [rows[start : start + rows_per_body] for start in range(0, len(rows), rows_per_body)]


def write_bodies(path: Path, bodies: Sequence[bytes]) -> None:
    """Writes one body a line, as the load generator reads them."""
    path.write_bytes(b"\n".join(bodies) + b"\n")


def _recipe(sha256: str) -> str:
    features = "\n".join(f'[[features]]\nname = "{name}"\nkind = "numeric"\nnullable = false\n' for name in FEATURES)
    return f"""\
name = "{MODEL}"
target = "label"
time_column = "time"
classes = ["no", "yes"]
threshold = 0.5
holdout_fraction = 0.2
masked_fraction = 0.0
rounds = {TREES}
seed = 1

[data]
requirement = "none==0"
wheel_sha256 = "{"0" * 64}"
member = "bench.csv"
sha256 = "{sha256}"

[parameters]
learning_rate = 0.1
num_leaves = 31

{features}"""
