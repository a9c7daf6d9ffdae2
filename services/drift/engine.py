"""Where partitions are measured and labels looked at: in this process, or wherever else an engine has it done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from lifecycle.manifest import Manifest
from lifecycle.prediction_log import FEATURE_PREFIX, PredictionLog

from drift.distributions import distributions
from drift.findings import Chunk
from drift.labels import Answer, Question, answer
from drift.measurement import Measurement
from drift.outcome import Outcome
from drift.partition import Measured, Partition

KEYS: Final = ("version", "role", "output")
"""What tells which rows are the champion's, beside the time and the id that tell where chunks end."""

_T = TypeVar("_T")

Awaited: TypeAlias = Callable[[], _T]
"""Gives what was asked for, once it is there."""


class ClusterUnavailableError(Exception):
    """The cluster does not answer, has no worker, or loses each worker that it gives a task to."""


def every_column(manifest: Manifest) -> list[str]:
    """What is read of the log to be measured, beside the time and the id."""
    return [*KEYS, *(f"{FEATURE_PREFIX}{name}" for name in manifest.feature_schema.names)]


class Engine(Protocol):
    """Has partitions measured and questions about labels answered; what it gives is independent of the engine."""

    @property
    def columns(self) -> Sequence[str]:
        """What has to be read of the log before it is asked to measure."""

    @property
    def ahead(self) -> int:
        """How much may be asked of it before the first answer is waited for."""

    def measure(self, chunks: Sequence[Chunk], table: Any) -> Awaited[Measured]:  # noqa: ANN401 - a pyarrow table
        """Has chunks measured.

        Args:
            chunks: in order.
            table: their rows, with the engine's columns.
        """

    def answer(self, question: Question) -> Awaited[Answer]:
        """Has the labels of some chunks looked at."""


@dataclass(frozen=True, slots=True)
class InProcess:
    """Does everything here and at once."""

    measurement: Measurement
    log: PredictionLog

    ahead = 0

    @property
    def columns(self) -> Sequence[str]:
        """Everything: what is read is measured."""
        return every_column(self.measurement.manifest)

    def measure(self, chunks: Sequence[Chunk], table: Any) -> Awaited[Measured]:  # noqa: ANN401 - a pyarrow table
        """See Engine."""
        measurement = self.measurement
        partition = Partition.of(chunks, table, measurement.manifest, measurement.settings.least_rows)
        measures = measurement.measure(partition.rows, partition.sizes) if partition.measured else []
        shares = distributions(measurement.reference, partition)
        measured = Measured.of(partition, measures, shares, Outcome())
        return lambda: measured

    def answer(self, question: Question) -> Awaited[Answer]:
        """See Engine."""
        found = answer(question, self.measurement, self.log)
        return lambda: found
