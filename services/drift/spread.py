"""The same evaluation on a Dask cluster: partitions of the log are read by workers and measured column by column.

The evaluation's own process reads where chunks end, asks, and stores. A worker reads the store as the service does: it
has the same image, and its environment names the same stores.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any, Final, TypeAlias

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
from distributed import Client, Future
from distributed.client import FutureCancelledError
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker
from lifecycle.manifest import Manifest
from lifecycle.prediction_log import PredictionLog, prediction_columns
from lifecycle.registry import ModelRegistry

from drift import chunks
from drift.distributions import distributions
from drift.engine import KEYS, Awaited, ClusterUnavailableError, every_column
from drift.findings import Chunk, Measure
from drift.frames import own
from drift.labels import Answer, Question, answer
from drift.measurement import Measurement
from drift.outcome import Outcome
from drift.partition import Measured, Partition
from drift.settings import DriftSettings
from drift.stores import Stores

_CONNECT_SECONDS: Final = 30
_WORKER_SECONDS: Final = 120
"""A first worker may have to wait for a node."""
_AHEAD: Final = 2
"""Partitions for each worker, so that the next is read while one is measured; more would only fill memory."""
_JUST_AFTER: Final = timedelta(microseconds=1)

_Piece: TypeAlias = tuple[list[Measure], Any, dict[str, str]]
"""Measures, distributions (a pyarrow table, or None) and what failed."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker has to know to read a model's reference and its log."""

    manifest: Manifest
    settings: DriftSettings

    @property
    def log(self) -> PredictionLog:
        """The model's."""
        return PredictionLog(_stores(self.settings.store_patience_seconds).predictions, self.manifest.model)


class Spread:
    """Asks a cluster; see Engine."""

    columns: Sequence[str] = KEYS

    def __init__(self, client: Client, measurement: Measurement) -> None:
        """Args: the cluster, and the calculations that its workers are to have as well."""
        self._client = client
        self._work = Work(measurement.manifest, measurement.settings)
        self._columns = measurement.columns
        self._fitted = self._submit(_fitted, self._work)

    @property
    def ahead(self) -> int:
        """Grows with the cluster."""
        return _AHEAD * max(1, len(self._client.nthreads()))

    def measure(self, chunks: Sequence[Chunk], table: Any) -> Awaited[Measured]:  # noqa: ANN401, ARG002 - a pyarrow table; workers read
        """See Engine."""
        partition = self._submit(_read, self._work, list(chunks))
        columns = [
            self._submit(_column, self._fitted, self._submit(_pick, partition, name), name) for name in self._columns
        ]
        pieces = [*columns, self._submit(_together, self._fitted, partition)]
        outline = self._submit(_outline, partition)

        def measured() -> Measured:
            (found, outcome), *answers = self._gathered([outline, *pieces])
            tables = [shares for _, shares, _ in answers if shares is not None]
            for _, _, failed in answers:
                outcome.failed |= failed
            measures = [measure for of_piece, _, _ in answers for measure in of_piece]
            return Measured.of(found, measures, pa.concat_tables(tables) if tables else None, outcome)

        return measured

    def answer(self, question: Question) -> Awaited[Answer]:
        """See Engine."""
        asked = self._submit(_answer, self._fitted, self._work, question)

        def answered() -> Answer:
            found: Answer = self._gathered([asked])[0]
            return found

        return answered

    def _submit(self, do: Callable[..., Any], *arguments: object) -> Future:
        # Not pure: a key made from the arguments would give the chunks of an earlier evaluation again.
        return self._client.submit(do, *arguments, pure=False)

    def _gathered(self, futures: list[Future]) -> list[Any]:
        try:
            found: list[Any] = self._client.gather(futures)
        except (KilledWorker, CommClosedError, FutureCancelledError) as error:
            raise ClusterUnavailableError(str(error)) from error
        return found


@contextmanager
def connected(measurement: Measurement) -> Iterator[Spread]:
    """The engine that asks the cluster of the settings, with one worker at least.

    Raises:
        ClusterUnavailableError: there is none.
    """
    with ExitStack() as stack:
        try:
            client = stack.enter_context(
                Client(measurement.settings.dask_scheduler, timeout=_CONNECT_SECONDS, set_as_default=False)
            )
            client.wait_for_workers(1, timeout=_WORKER_SECONDS)
        except OSError as error:  # those of time and of a broken connection are among them
            raise ClusterUnavailableError(str(error)) from error
        yield Spread(client, measurement)


# What follows runs on workers.


@cache
def _stores(patience_seconds: float) -> Stores:
    return Stores.open(patience_seconds)


def _fitted(work: Work) -> Measurement:
    models = _stores(work.settings.store_patience_seconds).models
    registry = ModelRegistry(models, work.manifest.model)
    measurement = Measurement.of(registry, work.manifest.version, work.settings)
    if measurement is None:
        message = f"version {work.manifest.version} of {work.manifest.model} no longer has a reference"
        raise FileNotFoundError(message)
    return measurement


def _read(work: Work, asked: list[Chunk]) -> tuple[Partition, Outcome]:
    """The rows of these chunks, those included that were stored since it was told where the chunks end."""
    outcome = Outcome()
    start, end = asked[0].start, asked[-1].end + _JUST_AFTER
    schema = prediction_columns(work.manifest)
    window = work.log.predictions(start, end, every_column(work.manifest), schema=schema)
    outcome.saw(window)
    rows = own(window.table, work.manifest)
    tables = [chunks.within(rows, chunk) for chunk in asked]
    found = [replace(chunk, rows=table.num_rows) for chunk, table in zip(asked, tables, strict=True)]
    return Partition.of(found, pa.concat_tables(tables), work.manifest, work.settings.least_rows), outcome


def _outline(read: tuple[Partition, Outcome]) -> tuple[Partition, Outcome]:
    partition, outcome = read
    return partition.without_rows(), outcome


def _pick(read: tuple[Partition, Outcome], name: str) -> Partition:
    return read[0].of_column(name)


def _column(measurement: Measurement, partition: Partition, name: str) -> _Piece:
    if not partition.measured:
        return [], None, {}
    measures = measurement.column(name, partition.rows, partition.sizes)
    return measures, distributions(measurement.reference, partition), dict(measurement.failed)


def _together(measurement: Measurement, read: tuple[Partition, Outcome]) -> _Piece:
    partition, _ = read
    if not partition.measured:
        return [], None, {}
    return measurement.together(partition.rows, partition.sizes), None, dict(measurement.failed)


def _answer(measurement: Measurement, work: Work, question: Question) -> Answer:
    found = answer(question, measurement, work.log)
    found.outcome.failed |= measurement.failed
    return found
