"""The gates of rankings, of regressions and of rare positives: what each is compared by, and what is refused."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from lifecycle.features import FeatureSchema, NumericFeature
from retraining.footprint import Footprint
from retraining.gates import Trial, judge
from retraining.limits import GateLimits
from retraining.quality import Floats

LIMITS = GateLimits(resamples=200)
SCHEMA = FeatureSchema(features=(NumericFeature(name="x", nullable=True, minimum=-9, maximum=9),))
LISTS, LENGTH = 200, 10
ROWS = LISTS * LENGTH
RANDOM = np.random.default_rng(3)
SIGNAL = RANDOM.normal(size=ROWS)
NOISE = RANDOM.normal(size=ROWS)


def _trial(labels: Floats, answers: Floats, **changes: object) -> Trial:
    trial = Trial(
        labels=labels,
        champion=answers,
        challenger=answers,
        matrix=(SIGNAL + NOISE)[:, None],
        champion_schema=SCHEMA,
        challenger_schema=SCHEMA,
        fast=answers,
        footprint=Footprint(10, 1),
        slices={"half": np.arange(ROWS) < ROWS / 2},
    )
    return replace(trial, **changes)  # type: ignore[arg-type] # fields of Trial


RANKING = _trial(
    np.clip(np.round(SIGNAL), 0, 2), SIGNAL + NOISE / 4, objective="ranking", metric="ndcg",
    groups=np.repeat(np.arange(LISTS), LENGTH),
)  # fmt: skip
REGRESSION = _trial(10 * SIGNAL, 10 * SIGNAL + NOISE, objective="regression", metric="mae")
_CHANCE = np.where(np.greater(SIGNAL, np.quantile(SIGNAL, 0.95)), 0.9, 0.01) + NOISE / 1e4
_CHANCE = np.clip(_CHANCE, 0, 1)
RARE = _trial(np.less(RANDOM.random(ROWS), _CHANCE).astype(float), _CHANCE, metric="average_precision")
TRIALS = {"ranking": RANKING, "regression": REGRESSION, "rare": RARE}


@pytest.mark.parametrize("name", TRIALS)
def test_an_equal_challenger_passes(name: str) -> None:
    """A score is not asked to be a probability."""
    verdict = judge(TRIALS[name], LIMITS)
    assert [finding.reason for finding in verdict.findings if not finding.passed] == []
    gates = [finding.gate for finding in verdict.findings]
    assert ("calibration" in gates, gates[1]) == ((True, "probabilities") if name == "rare" else (False, "numbers"))


@pytest.mark.parametrize(
    ("trial", "worse", "gate"),
    [
        (RANKING, lambda given: given + NOISE, "metric"),
        (RANKING, np.zeros_like, "predictions"),
        (RANKING, lambda given: np.where(np.arange(ROWS) < 100, np.nan, given), "numbers"),
        (RANKING, lambda given: np.where(np.arange(ROWS) < 1000, NOISE, given), "slices"),
        (REGRESSION, lambda given: given + NOISE, "metric"),
        (REGRESSION, lambda given: given + 2, "predictions"),
        (REGRESSION, lambda given: np.full_like(given, 0.0), "predictions"),
        (REGRESSION, lambda given: np.where(np.arange(ROWS) < 9, np.inf, given), "numbers"),
    ],
)
def test_a_worse_challenger_is_refused(trial: Trial, worse: Callable[[Floats], Floats], gate: str) -> None:
    """By the gate that should."""
    assert gate in judge(replace(trial, challenger=worse(trial.challenger)), LIMITS).refusals


def test_false_alarms_among_the_rare_are_seen_by_average_precision_where_auc_is_content() -> None:
    """Twenty honest rows that score above all frauds: one in a hundred, and every fifth alarm."""
    honest = np.flatnonzero((RARE.labels == 0) & (RARE.challenger < 0.5))[:20]
    alarmed = RARE.challenger.copy()
    alarmed[honest] = 0.99
    tolerant = LIMITS.model_copy(update={"auc_margin": 0.03})
    trial = replace(RARE, challenger=alarmed, fast=alarmed)
    assert "metric" in judge(trial, tolerant).refusals
    assert "metric" not in judge(replace(trial, metric="auc"), tolerant).refusals


def test_a_leaked_column_is_refused() -> None:
    """The relevance itself among the features, or the value."""
    for trial in (RANKING, REGRESSION):
        leaked = replace(trial, matrix=-trial.labels[:, None])
        assert "leak" in judge(leaked, LIMITS).refusals


def test_lists_that_tell_nothing_are_no_evidence() -> None:
    """A request whose items were all passed over says nothing of an order."""
    few = np.where(np.arange(ROWS) < 40 * LENGTH, RANKING.labels, 0.0)
    verdict = judge(replace(RANKING, labels=few), LIMITS)
    assert verdict.refusals == ("rows",)
    assert verdict.findings[0].figures["lists"] <= 40
    assert "lists whose labels differ; wanted are 500 in 50" in verdict.findings[0].reason
