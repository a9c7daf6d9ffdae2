"""The gates between challenger and champion: pure functions over the newest labelled rows, each with its evidence.

A gate whose input is missing fails: what could not be shown does not pass.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from lifecycle.features import FeatureSchema

from retraining.comparison import YARDSTICKS, gain_interval, measured
from retraining.footprint import Footprint
from retraining.limits import GateLimits
from retraining.quality import Floats, Groups, Metric, Objective, auc, lists, measure

Masks: TypeAlias = Mapping[str, npt.NDArray[np.bool_]]

_BINS: Final = 10


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What the gates look at: rows that neither model was trained on, and both models' answers for them."""

    labels: Floats
    champion: Floats | None
    challenger: Floats
    matrix: Floats
    champion_schema: FeatureSchema | None
    challenger_schema: FeatureSchema
    objective: Objective = "binary"
    metric: Metric = "auc"
    """What the challenger must not lose."""
    groups: Groups | None = None
    """Ranking: the lists."""
    slices: Masks = field(default_factory=dict)
    """The protected slices: name to the rows that belong to it."""
    fast: Floats | None = None
    """The challenger's answers by the calls that serve it."""
    footprint: Footprint | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a gate says."""

    gate: str
    passed: bool
    reason: str
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all gates say."""

    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether no gate refused."""
        return all(finding.passed for finding in self.findings)

    @property
    def refusals(self) -> tuple[str, ...]:
        """The names of the gates that refused."""
        return tuple(finding.gate for finding in self.findings if not finding.passed)


def judge(trial: Trial, limits: GateLimits) -> Verdict:
    """Asks every gate; where rows or predictions are unfit to be measured, the first of these alone."""
    findings = []
    for gate in (enough_rows, are_probabilities if trial.objective == "binary" else are_numbers):
        findings.append(gate(trial, limits))
        if not findings[-1].passed:
            return Verdict((findings[-1],))
    gates = (
        same_schema,
        not_worse,
        slices_not_worse,
        # Of scores and values nobody says that they are probabilities.
        *((calibrated,) if trial.objective == "binary" else ()),
        predictions_sane,
        no_leak,
        within_budget,
        fast_path_equal,
    )
    return Verdict((*findings, *(gate(trial, limits) for gate in gates)))


def enough_rows(trial: Trial, limits: GateLimits) -> Finding:
    """Enough labelled rows, and of both classes, or of lists whose labels differ."""
    rows = len(trial.labels)
    figures: dict[str, float] = {"rows": rows}
    reason, wanted, passed = f"{rows} rows", f"wanted are {limits.least_rows}", rows >= limits.least_rows
    if trial.objective == "binary":
        ones = int((trial.labels == 1).sum())
        rarer = figures["rows_of_rarer_class"] = min(ones, rows - ones)
        passed = passed and rarer >= limits.least_rows_of_a_class
        reason += f" with {rarer} of the rarer class"
        wanted += f" with {limits.least_rows_of_a_class}"
    elif trial.objective == "ranking":
        differing = [part for part in lists(trial.groups) if np.ptp(trial.labels[part]) > 0]
        figures["lists"] = len(differing)
        passed = passed and len(differing) >= limits.least_lists
        reason += f" in {len(differing)} lists whose labels differ"
        wanted += f" in {limits.least_lists}"
    else:
        passed = passed and np.unique(trial.labels).size > 1
    return Finding("rows", passed, f"{reason}; {wanted}", figures)


def are_probabilities(trial: Trial, limits: GateLimits) -> Finding:
    """Every prediction is a number between 0 and 1."""
    del limits
    wrong = int((~((trial.challenger >= 0) & (trial.challenger <= 1))).sum())
    return Finding("probabilities", wrong == 0, f"{wrong} predictions are no probabilities", {"wrong": wrong})


def are_numbers(trial: Trial, limits: GateLimits) -> Finding:
    """Every prediction is a finite number."""
    del limits
    wrong = int((~np.isfinite(trial.challenger)).sum())
    return Finding("numbers", wrong == 0, f"{wrong} predictions are no finite numbers", {"wrong": wrong})


def same_schema(trial: Trial, limits: GateLimits) -> Finding:
    """The same features, kinds and categories in the same order: clients need not change. Ranges may differ."""
    del limits
    if trial.champion_schema is None:
        return Finding("schema", passed=False, reason="there is no schema of the champion to compare with", figures={})
    shapes = [shape(schema) for schema in (trial.champion_schema, trial.challenger_schema)]
    names = [{feature["name"]: feature for feature in shape} for shape in shapes]
    changed = sorted(name for name in names[0].keys() | names[1].keys() if names[0].get(name) != names[1].get(name))
    passed = shapes[0] == shapes[1]
    reason = "the same features" if passed else f"other features: {', '.join(changed) or 'in another order'}"
    return Finding("schema", passed, reason, {"changed_features": len(changed)})


def not_worse(trial: Trial, limits: GateLimits) -> Finding:
    """The interval of the difference in the main metric, by paired bootstrap, stays above the margin."""
    if trial.champion is None:
        return Finding(
            "metric", passed=False, reason="there are no predictions of the champion to compare with", figures={}
        )
    metric, yardstick = trial.metric, YARDSTICKS[trial.metric]
    low, high = gain_interval(metric, trial.labels, trial.champion, trial.challenger, trial.groups, limits)
    was, now = (measured(metric, trial.labels, given, trial.groups) for given in (trial.champion, trial.challenger))
    margin = yardstick.margin(limits)
    told = "the share of it that is saved" if yardstick.relative else "the difference"
    reason = (
        f"{yardstick.title} {now:.4f} against {was:.4f}, {told} lies in [{low:+.4f}, {high:+.4f}]; "
        f"its lower end may be {-margin:+.4f}"
    )
    figures = {f"champion_{metric}": was, f"challenger_{metric}": now, "difference_low": low, "difference_high": high}
    return Finding("metric", bool(low >= -margin), reason, figures)


def slices_not_worse(trial: Trial, limits: GateLimits) -> Finding:
    """No protected slice loses more of the main metric than the margin; a slice that cannot be measured fails."""
    if trial.champion is None:
        return Finding(
            "slices", passed=False, reason="there are no predictions of the champion to compare with", figures={}
        )
    figures, worse = {}, []
    for name, rows in trial.slices.items():
        groups = None if trial.groups is None else trial.groups[rows]
        was, now = (
            measured(trial.metric, trial.labels[rows], given[rows], groups)
            for given in (trial.champion, trial.challenger)
        )
        if np.isnan(was):
            worse.append(f"{name} {'lacks a class' if trial.objective == 'binary' else 'has nothing to measure'}")
            continue
        difference = figures[name] = YARDSTICKS[trial.metric].gain(was, now)
        if not difference >= -limits.slice_margin:
            worse.append(f"{name} {difference:+.4f}")
    reason = "; ".join(worse) or f"{len(figures)} slices, none loses more than {limits.slice_margin}"
    return Finding("slices", not worse, reason, figures)


def calibrated(trial: Trial, limits: GateLimits) -> Finding:
    """The Brier score is not worse by more than the margin, and probabilities mean what they say."""
    if trial.champion is None:
        return Finding(
            "calibration", passed=False, reason="there are no predictions of the champion to compare with", figures={}
        )
    was, now = (measure("binary", trial.labels, given)["brier"] for given in (trial.champion, trial.challenger))
    error = expected_calibration_error(trial.labels, trial.challenger)
    passed = bool(now <= was + limits.brier_margin and error <= limits.calibration_error_limit)
    reason = (
        f"Brier {now:.4f} against {was:.4f}, at most {limits.brier_margin} more; "
        f"expected calibration error {error:.4f}, at most {limits.calibration_error_limit}"
    )
    return Finding("calibration", passed, reason, {"champion_brier": was, "challenger_brier": now, "error": error})


def predictions_sane(trial: Trial, limits: GateLimits) -> Finding:
    """Predictions neither constant nor, unless they only rank, far from the labels on average."""
    given = trial.challenger
    if trial.objective == "ranking":
        spread = float(np.mean([given[part].std() for part in lists(trial.groups)]))
        reason = f"standard deviation {spread:.4f} within a list, at least {limits.least_spread}"
        return Finding("predictions", spread >= limits.least_spread, reason, {"spread": spread})
    unit = float(trial.labels.std()) if trial.objective == "regression" else 1.0
    spread, shift = float(given.std()) / unit, float(given.mean() - trial.labels.mean()) / unit
    passed = spread >= limits.least_spread and abs(shift) <= limits.mean_shift_limit
    reason = (
        f"standard deviation {spread:.4f}, at least {limits.least_spread}; the mean is {shift:+.4f} from the labels', "
        f"at most {limits.mean_shift_limit}"
        + (", both in standard deviations of the labels" if trial.objective == "regression" else "")
    )
    return Finding("predictions", passed, reason, {"spread": spread, "mean_shift": shift})


def no_leak(trial: Trial, limits: GateLimits) -> Finding:
    """Neither the model nor a feature by itself tells the label: such a column knows what happened afterwards."""
    name_of_it, told, alone_tells = _TELLING[trial.objective]
    alone = {
        name: alone_tells(trial, column)
        for name, column in zip(trial.challenger_schema.names, trial.matrix.T, strict=True)
    }
    strongest = max(alone, key=lambda name: alone[name])
    whole = told(trial, trial.challenger)
    passed = whole < limits.leak_auc and alone[strongest] < limits.leak_auc
    reason = (
        f"{name_of_it} {whole:.4f}, of {strongest} alone {alone[strongest]:.4f}; both must be below {limits.leak_auc}"
    )
    key = _TELLING_KEYS[trial.objective]
    return Finding("leak", passed, reason, {f"challenger_{key}": whole, f"strongest_feature_{key}": alone[strongest]})


def within_budget(trial: Trial, limits: GateLimits) -> Finding:
    """One row is answered in time and the loaded model leaves room for its successor."""
    found = trial.footprint
    if found is None:
        return Finding("budget", passed=False, reason="latency and memory were not measured", figures={})
    passed = found.row_microseconds <= limits.row_microseconds and found.memory_mib <= limits.memory_mib
    reason = (
        f"{found.row_microseconds:.0f} us a row, at most {limits.row_microseconds:.0f}; "
        f"{found.memory_mib:.1f} MiB, at most {limits.memory_mib:.0f}"
    )
    return Finding(
        "budget", passed, reason, {"row_microseconds": found.row_microseconds, "memory_mib": found.memory_mib}
    )


def fast_path_equal(trial: Trial, limits: GateLimits) -> Finding:
    """The calls that serve give what the library gives, bit for bit: scoring would refuse the model otherwise."""
    del limits
    if trial.fast is None:
        return Finding("parity", passed=False, reason="there are no answers of the fast call", figures={})
    rows = len(trial.fast)
    # Compared as bits: a NaN equals itself.
    differ = int((trial.fast.view(np.uint64) != trial.challenger[:rows].view(np.uint64)).sum())
    passed = rows > 0 and differ == 0
    return Finding("parity", passed, f"{differ} of {rows} rows differ", {"rows": rows, "differ": differ})


def shape(schema: FeatureSchema) -> list[dict[str, Any]]:
    """What must be the same for a row to mean the same to two models: all but the ranges seen in training."""
    return [feature.model_dump(exclude={"minimum", "maximum"}) for feature in schema.features]


def expected_calibration_error(labels: Floats, probabilities: Floats) -> float:
    """The distance of mean probability and share of class 1 over ten bins of equal width, weighted by their rows."""
    bins = np.minimum((probabilities * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(bins, labels - probabilities, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def _auc_of(trial: Trial, column: Floats) -> float:
    return auc(trial.labels, column)


def _auc_alone(trial: Trial, column: Floats) -> float:
    """AUC of one feature in whichever direction it tells more; missing is a value of its own, below all others."""
    value = auc(trial.labels, np.nan_to_num(column, nan=-np.inf))
    return max(value, 1 - value)


def _explained(trial: Trial, column: Floats) -> float:
    """The share of the labels' variance that a line over the column explains, where it is present."""
    present = ~np.isnan(column)
    labels, values = trial.labels[present], column[present]
    if len(values) < 2 or values.std() == 0 or labels.std() == 0:  # noqa: PLR2004 - a line needs two
        return 0.0
    return float(np.corrcoef(labels, values)[0, 1] ** 2)


def _ndcg_of(trial: Trial, column: Floats) -> float:
    return measured("ndcg", trial.labels, column, trial.groups)


def _ndcg_alone(trial: Trial, column: Floats) -> float:
    """NDCG of one feature in whichever direction it tells more; missing comes last."""
    return max(_ndcg_of(trial, np.nan_to_num(sign * column, nan=-np.inf)) for sign in (1, -1))


_Tells: TypeAlias = Callable[[Trial, Floats], float]
_TELLING: Final[Mapping[Objective, tuple[str, _Tells, _Tells]]] = {
    "binary": ("AUC", _auc_of, _auc_alone),
    "regression": ("explained variance", _explained, _explained),
    "ranking": ("NDCG", _ndcg_of, _ndcg_alone),
}
"""What tells of a leak: its name, of the model's answers, and of a feature by itself."""
_TELLING_KEYS: Final[Mapping[Objective, str]] = {"binary": "auc", "regression": "r2", "ranking": "ndcg"}
