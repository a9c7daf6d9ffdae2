"""A recipe on the shipped data, before it is merged: the same training and gates as a retraining."""

from collections.abc import Callable
from dataclasses import dataclass

from lifecycle.manifest import ModelFile
from lifecycle.registry import StoredModel

from retraining.dataset import Dataset
from retraining.description import Origin, describe_version
from retraining.evidence import Evidence
from retraining.examination import examine
from retraining.model_card import model_card
from retraining.progress import OnRound
from retraining.recipe import Recipe
from retraining.source import data_sha256
from retraining.training import Trained, train

_BASE, _CHANGED = 1, 2
"""Versions that exist in the evidence alone."""


@dataclass(frozen=True)
class Validation:
    """What the gates say of a changed recipe."""

    evidence: Evidence
    card: bytes


def validate(
    recipe: Recipe, base: Recipe, read: Callable[[Recipe], Dataset], *, num_threads: int, on_round: OnRound | None
) -> Validation:
    """Trains both recipes on the older rows of the data and judges the changed one on the newest.

    Args:
        recipe: the changed one.
        base: the one that it is to replace; itself for a model that is new, which leaves the gates that need no other.
        read: gives the shipped data, as a recipe has it.
        num_threads: as in `train`.
        on_round: as in `train`.

    Raises:
        DatasetError: the data does not fit one of the recipes.
    """
    former_rows, rows = read(base), read(recipe)
    former = train(former_rows, base, num_threads=num_threads, on_round=on_round)
    trained = train(rows, recipe, num_threads=num_threads, on_round=on_round)
    champion = _stored(former, base, _BASE, data_sha256(base, former_rows))
    evidence = examine(trained, recipe, champion, {"rows": len(trained.train) + len(trained.holdout)}).of(_CHANGED)
    return Validation(
        evidence, model_card(evidence, _stored(trained, recipe, _CHANGED, data_sha256(recipe, rows)).manifest.training)
    )


def _stored(trained: Trained, recipe: Recipe, version: int, data: str) -> StoredModel:
    parent = _BASE if version > _BASE else None
    origin = Origin(data_sha256=data, code_version="unreleased", parent_version=parent)
    file = ModelFile.of(trained.text.encode())
    return StoredModel(describe_version(trained, recipe, origin, version, file), trained.text)
