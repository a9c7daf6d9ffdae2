"""A challenger before the gates, beside the champion, on rows that neither was trained on."""

from dataclasses import dataclass

import lightgbm as lgb
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.registry import StoredModel

from retraining.dataset import Dataset
from retraining.evidence import Evidence, answers, gate_evidence, importance
from retraining.footprint import fast_answers, measure_footprint
from retraining.gates import Masks, Trial, judge, shape
from retraining.quality import Floats
from retraining.recipe import Recipe
from retraining.training import Trained, predict


@dataclass(frozen=True)
class Examined:
    """What the gates found, less the version's number."""

    _evidence: Evidence

    def of(self, version: int) -> Evidence:
        """The evidence for a version's number."""
        return self._evidence.model_copy(update={"version": version})


def examine(trained: Trained, recipe: Recipe, champion: StoredModel, data: dict[str, float]) -> Examined:
    """Asks every gate about a challenger.

    Args:
        trained: the challenger, and the rows that it was not trained on.
        recipe: its limits and its protected slices.
        champion: what it is to replace.
        data: how the rows were come by, for the evidence.
    """
    rows = trained.holdout
    given = predict(lgb.Booster(model_str=trained.text), rows.matrix)
    trial = Trial(
        labels=rows.labels,
        champion=_champion_answers(champion, rows),
        challenger=given,
        matrix=rows.matrix,
        champion_schema=champion.manifest.feature_schema,
        challenger_schema=rows.schema,
        objective=recipe.objective,
        metric=recipe.main_metric,
        groups=rows.groups,
        slices=_slices(rows, recipe),
        fast=fast_answers(trained.text, rows.matrix),
        footprint=measure_footprint(trained.text, rows.matrix),
    )
    verdict = judge(trial, recipe.gates)
    return Examined(
        Evidence(
            model=recipe.name,
            version=1,
            champion_version=champion.manifest.version,
            passed=verdict.passed,
            gates=gate_evidence(verdict),
            train_rows=len(trained.train),
            train_window=trained.train.window,
            holdout_rows=len(rows),
            holdout_window=rows.window,
            data=data,
            champion=None if trial.champion is None else answers(trial, trial.champion),
            challenger=answers(trial, given),
            importance=importance(trained.text),
        )
    )


def _champion_answers(champion: StoredModel, rows: Dataset) -> Floats | None:
    """None where the champion knows other features, so that the rows mean something else to it."""
    if shape(champion.manifest.feature_schema) != shape(rows.schema):
        return None
    return predict(lgb.Booster(model_str=champion.text), rows.matrix)


def _slices(rows: Dataset, recipe: Recipe) -> Masks:
    return {
        part.name: pc.is_in(rows.table[part.feature], value_set=pa.array(part.values)).to_numpy()
        for part in recipe.slices
    }
