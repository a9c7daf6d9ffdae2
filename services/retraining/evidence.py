"""The evidence: every figure that a challenger was judged by, and what a person wants to see of it."""

from typing import Final

import lightgbm as lgb
import numpy as np
from lifecycle.manifest import TimeWindow
from pydantic import BaseModel, ConfigDict

from retraining.gates import Trial, Verdict
from retraining.quality import Floats

_BINS: Final = 10


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class GateEvidence(_Part):
    """What one gate said."""

    gate: str
    passed: bool
    reason: str
    figures: dict[str, float]


class Calibration(_Part):
    """In ten bins of equal width, empty ones left out: what was predicted on average, and what came true."""

    predicted: tuple[float, ...]
    observed: tuple[float, ...]


class Answers(_Part):
    """What one model answered on the holdout."""

    calibration: Calibration | None = None
    """Binary models alone have one."""
    histogram: tuple[int, ...]
    """Rows in ten bins of equal width: of the probability, or between the least and the largest output."""
    roc: tuple[tuple[float, float], ...] = ()
    """Shares of false and of true alarms; likewise."""


class Evidence(_Part):
    """Why a challenger was let through or turned down."""

    model: str
    version: int
    champion_version: int | None
    """What it was compared with; none on the shipped data where there is no other."""
    passed: bool
    gates: tuple[GateEvidence, ...]
    train_rows: int
    train_window: TimeWindow
    holdout_rows: int
    holdout_window: TimeWindow
    data: dict[str, float]
    """How the rows were come by."""
    champion: Answers | None
    challenger: Answers
    importance: dict[str, float]
    """Each feature's share of the gain of all splits, largest first."""

    @property
    def refusals(self) -> tuple[str, ...]:
        """The gates that refused."""
        return tuple(gate.gate for gate in self.gates if not gate.passed)

    @property
    def summary(self) -> str:
        """One line for the history and the list of runs."""
        told = [gate for gate in self.gates if not gate.passed] or [g for g in self.gates if g.gate == "metric"]
        return "; ".join(f"{gate.gate}: {gate.reason}" for gate in told)[:1000]

    def to_json(self) -> bytes:
        """The evidence as it is stored."""
        return self.model_dump_json(indent=2).encode() + b"\n"


def gate_evidence(verdict: Verdict) -> tuple[GateEvidence, ...]:
    """The findings as they are stored; a figure that is no number is left out, its reason tells it."""
    return tuple(
        GateEvidence(
            gate=finding.gate,
            passed=finding.passed,
            reason=finding.reason,
            figures={name: float(value) for name, value in finding.figures.items() if np.isfinite(value)},
        )
        for finding in verdict.findings
    )


def answers(trial: Trial, given: Floats) -> Answers:
    """What a model answered on the rows of the trial."""
    if trial.objective != "binary":
        return Answers(histogram=tuple(map(int, np.histogram(given[np.isfinite(given)], _BINS)[0])))
    sane = np.clip(np.nan_to_num(given, nan=0.5), 0, 1)
    place = np.minimum((sane * _BINS).astype(np.int64), _BINS - 1)
    rows = np.bincount(place, minlength=_BINS)
    filled = rows > 0
    predicted = np.bincount(place, sane, minlength=_BINS)[filled] / rows[filled]
    observed = np.bincount(place, trial.labels, minlength=_BINS)[filled] / rows[filled]
    calibration = Calibration(predicted=tuple(map(float, predicted)), observed=tuple(map(float, observed)))
    return Answers(calibration=calibration, histogram=tuple(map(int, rows)), roc=_roc(trial.labels, sane))


def importance(text: str) -> dict[str, float]:
    """How much of a model's gain each feature made."""
    booster = lgb.Booster(model_str=text)
    gains = np.asarray(booster.feature_importance("gain"), dtype=np.float64)
    shares = gains / (gains.sum() or 1.0)
    named = zip(booster.feature_name(), map(float, shares), strict=True)
    return dict(sorted(named, key=lambda pair: -pair[1]))


def _roc(labels: Floats, given: Floats) -> tuple[tuple[float, float], ...]:
    """At 101 thresholds: enough for the eye."""
    thresholds = np.quantile(given, np.linspace(1, 0, 101))
    positive, negative = labels == 1, labels == 0
    return (
        (0.0, 0.0),
        *((float((given[negative] >= cut).mean()), float((given[positive] >= cut).mean())) for cut in thresholds),
    )
