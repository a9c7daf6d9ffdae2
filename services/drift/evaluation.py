"""One evaluation of one model: read what is new, have it measured, store it.

A chunk is stored with all that was measured of it, or not at all: an evaluation that is killed leaves what it has
stored, and the next one begins after that.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.manifest import Manifest
from lifecycle.prediction_log import PredictionLog, hours, prediction_columns
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore

from drift import chunks
from drift.adapter import METRICS
from drift.chunks import Chunking
from drift.engine import Awaited, Engine, InProcess
from drift.findings import Chunk, to_chunks, to_table
from drift.frames import own
from drift.late_labels import LateLabels
from drift.measurement import Measurement
from drift.outcome import Outcome
from drift.partition import Measured
from drift.results import Results
from drift.settings import DriftSettings

_HOUR: Final = timedelta(hours=1)


def evaluate(models: ObjectStore, predictions: ObjectStore, model: str, settings: DriftSettings) -> Outcome:
    """Evaluates every chunk of the champion that is closed and was not evaluated, and the labels that came since.

    Raises:
        StoreUnavailableError: the store's patience is over; what was stored stays.
        ModelRefusedError: the champion is not what the registry says it is.
        ClusterUnavailableError: there is to be a Dask cluster and it does not do its work; what was stored stays.
    """
    outcome = Outcome()
    registry = ModelRegistry(models, model)
    champion = registry.champion()
    if champion is None:
        outcome.conditions.add("no_champion")
        return outcome
    outcome.version = champion.version
    measurement = Measurement.of(registry, champion.version, settings)
    if measurement is None:
        outcome.conditions.add("no_reference")
        return outcome
    log, results = PredictionLog(predictions, model), Results(predictions, model, champion.version)
    with _engine(measurement, log) as engine:
        _NewChunks(settings, measurement.manifest, measurement.size, engine, log, results, outcome).evaluate()
        horizon = timedelta(days=settings.label_horizon_days)
        LateLabels(horizon, engine, log, results, outcome).evaluate(datetime.now(UTC))
    if measurement.manifest.objective not in METRICS:
        outcome.conditions.add("no_estimator")
    elif measurement.one_class:
        outcome.conditions.add("one_class")
    outcome.failed |= measurement.failed
    if outcome.failed:
        outcome.failures["calculation"] = len(outcome.failed)
    return outcome


@contextmanager
def _engine(measurement: Measurement, log: PredictionLog) -> Iterator[Engine]:
    if measurement.settings.engine == "process":
        yield InProcess(measurement, log)
        return
    from drift.spread import connected  # noqa: PLC0415 - Dask takes a second and 50 MiB; one process needs none

    with connected(measurement) as engine:
        yield engine


@dataclass(slots=True)
class _NewChunks:
    settings: DriftSettings
    manifest: Manifest
    chunk_rows: int
    engine: Engine
    log: PredictionLog
    results: Results
    outcome: Outcome
    asked: deque[Awaited[Measured]] = field(default_factory=deque)
    """In order of the chunks: results are stored in that order, so that one that is missing is never passed over."""

    def evaluate(self) -> None:
        """Reads hour by hour and measures as soon as enough chunks are closed, so that memory is bounded."""
        now = datetime.now(UTC)
        newest = self.results.newest()
        last = to_chunks(self.results.chunks(newest))[-1] if newest >= 0 else None
        start = last.end if last else self._first_moment()
        if start is None:
            self.outcome.conditions.add("no_data")
            return
        waiting = None
        for hour in hours(start, now):
            found = self._own(max(start, hour), min(hour + _HOUR, now))
            found = chunks.after(found, last) if last else found
            waiting = found if waiting is None else pa.concat_tables([waiting, found])
            last, waiting = self._measured(waiting, last, now, at_least=self.settings.chunks_at_once)
        last, waiting = self._measured(waiting, last, now, at_least=1)
        self._store(0)
        if last is None:
            self.outcome.conditions.add("too_few_rows" if waiting is not None and waiting.num_rows else "no_data")

    def _first_moment(self) -> datetime | None:
        first_hour = self.log.first_hour()
        # A version cannot have predicted before it was made: the log of its forerunners is not read through.
        return first_hour and max(first_hour, self.manifest.training.created_at - _HOUR)

    def _own(self, start: datetime, end: datetime) -> Any:  # noqa: ANN401 - a pyarrow table
        schema = prediction_columns(self.manifest)
        window = self.log.predictions(start, end, self.engine.columns, schema=schema)
        self.outcome.saw(window)
        return own(window.table, self.manifest)

    def _measured(
        self,
        waiting: Any,  # noqa: ANN401 - a pyarrow table, or None
        last: Chunk | None,
        now: datetime,
        *,
        at_least: int,
    ) -> tuple[Chunk | None, Any]:
        """Has measured what is closed, once it is enough; gives the last chunk and the rows that wait for theirs."""
        if waiting is None:
            return last, waiting
        settings = self.settings
        period = None if settings.chunk_hours is None else timedelta(hours=settings.chunk_hours)
        chunking = Chunking(self.chunk_rows, period, timedelta(seconds=settings.grace_seconds))
        found = chunks.closed(waiting, chunking, 0 if last is None else last.index + 1, now)
        while len(found) >= at_least:
            part, found = found[: settings.chunks_at_once], found[settings.chunks_at_once :]
            rows = sum(chunk.rows for chunk in part)
            self.asked.append(self.engine.measure(part, waiting.slice(0, rows)))
            self._store(self.engine.ahead)
            last, waiting = part[-1], waiting.slice(rows)
        return last, waiting

    def _store(self, ahead: int) -> None:
        """Stores what was measured, until so much is still waited for."""
        while len(self.asked) > ahead:
            measured = self.asked.popleft()()
            first, last = (pick(chunk.index for chunk in measured.chunks) for pick in (min, max))
            self.results.add(to_table(measured.chunks, measured.measures), first, last)
            if measured.distributions is not None:
                self.results.add_distributions(measured.distributions, measured.distributions["chunk"][0].as_py())
            self.outcome.add(measured.outcome)
