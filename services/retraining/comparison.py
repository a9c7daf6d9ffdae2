"""How a challenger does beside the champion, by one metric: on the same rows, and by how much that may be chance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from retraining.limits import GateLimits
from retraining.quality import Floats, Groups, Metric, auc, average_precision, list_scores

_CONFIDENCE: Final = 0.95

_OfRows = Callable[[Floats, Floats], float]


@dataclass(frozen=True, slots=True)
class Yardstick:
    """One metric, as gates compare by it.

    Attributes:
        title: for reasons.
        margin: how much of it may be lost.
        relative: whether a difference is a share of the champion's, and less is better.
    """

    title: str
    margin: Callable[[GateLimits], float]
    relative: bool = False

    def gain(self, champion: float, challenger: float) -> float:
        """How much better the challenger is; below 0 it is worse."""
        return 1 - challenger / champion if self.relative else challenger - champion


YARDSTICKS: Final[Mapping[Metric, Yardstick]] = {
    "auc": Yardstick("AUC", lambda limits: limits.auc_margin),
    "average_precision": Yardstick("average precision", lambda limits: limits.average_precision_margin),
    "mae": Yardstick("mean absolute error", lambda limits: limits.mae_margin, relative=True),
    "ndcg": Yardstick("NDCG", lambda limits: limits.ndcg_margin),
}
_OF_CLASSES: Final[Mapping[Metric, _OfRows]] = {"auc": auc, "average_precision": average_precision}


def measured(metric: Metric, labels: Floats, given: Floats, groups: Groups | None) -> float:
    """The metric of some answers; NaN where there is nothing to measure."""
    if metric in _OF_CLASSES:
        return _OF_CLASSES[metric](labels, given) if np.unique(labels).size > 1 else float("nan")
    parts = _parts(metric, labels, given, groups)
    return float(parts.mean()) if len(parts) else float("nan")


def gain_interval(
    metric: Metric,
    labels: Floats,
    champion: Floats,
    challenger: Floats,
    groups: Groups | None,
    limits: GateLimits,
) -> tuple[float, float]:
    """Where the gain lies, by paired bootstrap: both models are measured on the same rows in each resample."""
    generator = np.random.default_rng(limits.seed)
    gain = YARDSTICKS[metric].gain
    gains = []
    if metric in _OF_CLASSES:
        # Within each class, so that no resample lacks one.
        classes = [np.flatnonzero(labels == value) for value in (0, 1)]
        of = _OF_CLASSES[metric]
        for _ in range(limits.resamples):
            rows = np.concatenate([generator.choice(members, len(members)) for members in classes])
            gains.append(gain(of(labels[rows], champion[rows]), of(labels[rows], challenger[rows])))
    else:
        was, now = (_parts(metric, labels, given, groups) for given in (champion, challenger))
        for _ in range(limits.resamples):
            rows = generator.integers(0, len(was), len(was))
            gains.append(gain(float(was[rows].mean()), float(now[rows].mean())))
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(gains, [tail, 1 - tail])
    return float(low), float(high)


def _parts(metric: Metric, labels: Floats, given: Floats, groups: Groups | None) -> Floats:
    """What the metric is the mean of: the error of each row, or the NDCG of each list."""
    if metric == "mae":
        return np.asarray(np.abs(given - labels))
    return list_scores(labels, given, groups)
