"""How much better one model's answers turned out than another's, with the interval that says how sure that is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

_RESAMPLES: Final = 1000
_SEED: Final = 20180101
_EPSILON: Final = 1e-15

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        rows: how many.
        roc_auc: of the former and of the new one.
        log_loss: likewise.
        roc_auc_gain: the 95 % interval of the new one's ROC AUC less the former's, by paired bootstrap.
        log_loss_gain: likewise the former's log loss less the new one's; above zero the new one is better.
    """

    rows: int
    roc_auc: tuple[float, float]
    log_loss: tuple[float, float]
    roc_auc_gain: tuple[float, float]
    log_loss_gain: tuple[float, float]


def compare(former: Array, new: Array, truth: Array) -> Comparison:
    """Compares probabilities of the same rows, whose truth is 0 or 1."""
    random = np.random.default_rng(_SEED)
    auc_gains, loss_gains = [], []
    for _ in range(_RESAMPLES):
        some = random.integers(len(truth), size=len(truth))
        auc_gains.append(roc_auc(new[some], truth[some]) - roc_auc(former[some], truth[some]))
        loss_gains.append(log_loss(former[some], truth[some]) - log_loss(new[some], truth[some]))
    return Comparison(
        rows=len(truth),
        roc_auc=(roc_auc(former, truth), roc_auc(new, truth)),
        log_loss=(log_loss(former, truth), log_loss(new, truth)),
        roc_auc_gain=_interval(auc_gains),
        log_loss_gain=_interval(loss_gains),
    )


def roc_auc(probabilities: Array, truth: Array) -> float:
    """The chance that a positive row is ranked above a negative one; ties count half."""
    _, places, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    positives = truth.sum()
    negatives = len(truth) - positives
    return float((ranks[truth == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def log_loss(probabilities: Array, truth: Array) -> float:
    """Mean surprise, in nats."""
    given = np.clip(probabilities, _EPSILON, 1 - _EPSILON)
    return float(-np.mean(truth * np.log(given) + (1 - truth) * np.log(1 - given)))


def _interval(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
