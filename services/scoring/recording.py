"""What scoring hands to its prediction log, and what the log promises."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from lifecycle.prediction_log import Role

from scoring.champion import ServedModel
from scoring.wire import LabelOutcome


class LogUnavailableError(Exception):
    """The log cannot keep its promise now, so the prediction must not be acknowledged."""


class ScoredRows(msgspec.Struct, gc=False):
    """The rows of one request and what a model answered.

    Thousands wait for the write-ahead file, and none can be part of a cycle: the garbage collector need not look.
    """

    model: ServedModel
    role: Role
    time_us: int
    """Microseconds since 1970, UTC."""
    ids: Sequence[str]
    """One for each row, 32 hexadecimal digits."""
    vectors: bytes
    """float64 in the machine's order, row after row, as the model saw them: categories as codes, missing as NaN."""
    outputs: Sequence[float]
    """As many for each row as the model has outputs, row after row."""


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """The truth of one prediction, as it became known."""

    prediction_id: str
    time_us: int
    label: float
    """The class's index, the value of a regression, or how relevant a ranked candidate was."""


class PredictionLog(Protocol):
    """Where predictions and labels go."""

    def write(self, rows: ScoredRows) -> Awaitable[None] | None:
        """Takes rows over.

        Returns:
            None: taken over, or counted as dropped. Or what to wait for before the answer is sent, where the log
            promises that an acknowledged prediction is on disk; waiting may raise LogUnavailableError.
        """

    async def write_labels(self, labels: Sequence[LabelRecord]) -> list[LabelOutcome]:
        """Keeps labels, on disk once this returns; of several for one prediction the first counts, all are kept.

        Raises:
            LogUnavailableError: they could not be kept.
        """
