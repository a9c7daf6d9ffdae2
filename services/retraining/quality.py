"""How good a model's answers are, by its objective. Labels and answers are arrays of one number a row."""

from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Groups: TypeAlias = npt.NDArray[np.int64]
"""Of each row the number of its list; the rows of a list follow each other."""

Objective: TypeAlias = Literal["binary", "regression", "ranking"]
Metric: TypeAlias = Literal["auc", "average_precision", "mae", "ndcg"]

METRICS: Final[dict[Objective, tuple[Metric, ...]]] = {
    "binary": ("auc", "average_precision"),
    "regression": ("mae",),
    "ranking": ("ndcg",),
}
"""What models of an objective are compared by; the first unless the recipe says otherwise."""

NDCG_AT: Final = 10
"""How far down a list NDCG looks: what `/v1/rank` answers by default."""


def measure(objective: Objective, labels: Floats, given: Floats, groups: Groups | None = None) -> dict[str, float]:
    """Everything that is told of a model. Labels must differ; of a ranking, within some list."""
    if objective == "ranking":
        return {"ndcg": float(list_scores(labels, given, groups).mean())}
    if objective == "regression":
        error = given - labels
        return {
            "mae": float(np.abs(error).mean()),
            "rmse": float(np.sqrt(np.square(error).mean())),
            "r2": 1 - float(np.square(error).mean()) / float(labels.var()),
        }
    return {
        "auc": auc(labels, given),
        "average_precision": average_precision(labels, given),
        "log_loss": log_loss(labels, given),
        "brier": float(np.mean((given - labels) ** 2)),
    }


def auc(labels: Floats, scores: Floats) -> float:
    """The chance that a row of class 1 scores above one of class 0; a tie counts half."""
    _, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    positive = labels == 1
    positives, negatives = int(positive.sum()), int((~positive).sum())
    rank_sum = float(mean_ranks[position[positive]].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def average_precision(labels: Floats, scores: Floats) -> float:
    """The share of class 1 among the rows above a threshold, averaged over the rows of class 1.

    Where these are rare it tells what AUC hardly shows: how many false alarms a true one costs.
    """
    values, position = np.unique(-scores, return_inverse=True)
    alarms = np.cumsum(np.bincount(position, minlength=len(values)))
    hits = np.bincount(position, labels, minlength=len(values))
    return float(np.sum(np.cumsum(hits) / alarms * hits) / hits.sum())


def log_loss(labels: Floats, probabilities: Floats) -> float:
    """The mean negative log likelihood, in nats."""
    # A certain and wrong prediction would cost infinity; this is the cost of the least likely representable one.
    tiny = np.finfo(np.float64).tiny
    likelihood = np.where(labels == 1, probabilities, 1 - probabilities)
    return float(-np.mean(np.log(np.maximum(likelihood, tiny))))


def list_scores(labels: Floats, scores: Floats, groups: Groups | None) -> Floats:
    """NDCG at 10 of each list whose labels differ; of the others there is nothing to tell."""
    return np.array([_ndcg(labels[part], scores[part]) for part in lists(groups) if np.ptp(labels[part]) > 0])


def lists(groups: Groups | None) -> list[slice]:
    """The rows of each list."""
    if groups is None or not len(groups):
        return []
    ends: Any = [*(np.flatnonzero(np.diff(groups)) + 1).tolist(), len(groups)]
    return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _ndcg(labels: Floats, scores: Floats) -> float:
    gains = 2.0**labels - 1
    discounts = 1 / np.log2(np.arange(2, len(labels) + 2))
    discounts[NDCG_AT:] = 0
    # Equal scores share the gains of their places: an order that nobody gave is worth nothing.
    _, position, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    shared = np.repeat(np.bincount(position, gains) / counts, counts)
    return float(shared @ discounts / (np.sort(gains)[::-1] @ discounts))
