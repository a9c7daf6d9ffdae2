"""How good predicted probabilities are."""

import numpy as np

from retraining.dataset import Floats


def measure(labels: Floats, probabilities: Floats) -> dict[str, float]:
    """AUC, log loss and Brier score of these probabilities; the labels are 0 and 1 and both occur."""
    return {
        "auc": auc(labels, probabilities),
        "log_loss": log_loss(labels, probabilities),
        "brier": float(np.mean((probabilities - labels) ** 2)),
    }


def auc(labels: Floats, scores: Floats) -> float:
    """The chance that a row of class 1 scores above one of class 0; a tie counts half."""
    _, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    positive = labels == 1
    positives, negatives = int(positive.sum()), int((~positive).sum())
    rank_sum = float(mean_ranks[position[positive]].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def log_loss(labels: Floats, probabilities: Floats) -> float:
    """The mean negative log likelihood, in nats."""
    # A certain and wrong prediction would cost infinity; this is the cost of the least likely representable one.
    tiny = np.finfo(np.float64).tiny
    likelihood = np.where(labels == 1, probabilities, 1 - probabilities)
    return float(-np.mean(np.log(np.maximum(likelihood, tiny))))
