"""One evaluation of one model: read what is new, measure it, store it.

A chunk is stored with all that was measured of it, or not at all: an evaluation that is killed leaves what it has
stored, and the next one begins after that.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.manifest import Manifest
from lifecycle.prediction_log import FEATURE_PREFIX, PredictionLog, hours, prediction_columns
from lifecycle.registry import ModelRefusedError, ModelRegistry
from lifecycle.store import ObjectStore

from drift import chunks
from drift.adapter import METRICS
from drift.chunks import Chunking
from drift.distributions import distributions
from drift.findings import Chunk, to_chunks, to_table
from drift.frames import frame, own
from drift.labels import LateLabels
from drift.measurement import Measurement
from drift.outcome import Outcome
from drift.results import Results
from drift.settings import DriftSettings

_HOUR: Final = timedelta(hours=1)
_REFERENCE_CHUNKS: Final = 10
"""Fewer give thresholds that say little: they are the mean and the deviation of the reference's own chunks."""
_LEAST_SIZE: Final = 100


def evaluate(models: ObjectStore, predictions: ObjectStore, model: str, settings: DriftSettings) -> Outcome:
    """Evaluates every chunk of the champion that is closed and was not evaluated, and the labels that came since.

    Raises:
        StoreUnavailableError: the store's patience is over; what was stored stays.
        ModelRefusedError: the champion is not what the registry says it is.
    """
    outcome = Outcome()
    registry = ModelRegistry(models, model)
    champion = registry.champion()
    if champion is None:
        outcome.conditions.add("no_champion")
        return outcome
    outcome.version = champion.version
    manifest = registry.manifest(champion.version)
    try:
        known = registry.reference(champion.version)
    except ModelRefusedError as error:
        if error.cause != "reference_missing":
            raise
        outcome.conditions.add("no_reference")
        return outcome
    size = min(settings.chunk_rows, known.num_rows // _REFERENCE_CHUNKS)
    if size < _LEAST_SIZE:
        outcome.conditions.add("no_reference")
        return outcome
    measurement = Measurement(settings, manifest, frame(known, manifest), size)
    log, results = PredictionLog(predictions, model), Results(predictions, model, champion.version)
    _NewChunks(settings, manifest, measurement, log, results, outcome).evaluate(datetime.now(UTC))
    LateLabels(settings, manifest, measurement, log, results, outcome).evaluate(datetime.now(UTC))
    if manifest.objective not in METRICS:
        outcome.conditions.add("no_estimator")
    elif measurement.one_class:
        outcome.conditions.add("one_class")
    outcome.failed = measurement.failed
    if measurement.failed:
        outcome.failures["calculation"] = len(measurement.failed)
    return outcome


@dataclass(slots=True)
class _NewChunks:
    settings: DriftSettings
    manifest: Manifest
    measurement: Measurement
    log: PredictionLog
    results: Results
    outcome: Outcome

    def evaluate(self, now: datetime) -> None:
        """Reads hour by hour and measures as soon as enough chunks are closed, so that memory is bounded."""
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
        if last is None:
            self.outcome.conditions.add("too_few_rows" if waiting is not None and waiting.num_rows else "no_data")

    def _first_moment(self) -> datetime | None:
        first_hour = self.log.first_hour()
        # A version cannot have predicted before it was made: the log of its forerunners is not read through.
        return first_hour and max(first_hour, self.manifest.training.created_at - _HOUR)

    def _own(self, start: datetime, end: datetime) -> Any:  # noqa: ANN401 - a pyarrow table
        names = [f"{FEATURE_PREFIX}{name}" for name in self.manifest.feature_schema.names]
        schema = prediction_columns(self.manifest)
        window = self.log.predictions(start, end, ["version", "role", "output", *names], schema=schema)
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
        """Measures what is closed, once it is enough; gives the last chunk and the rows that wait for theirs."""
        if waiting is None:
            return last, waiting
        settings = self.settings
        period = None if settings.chunk_hours is None else timedelta(hours=settings.chunk_hours)
        chunking = Chunking(self.measurement.size, period, timedelta(seconds=settings.grace_seconds))
        found = chunks.closed(waiting, chunking, 0 if last is None else last.index + 1, now)
        while len(found) >= at_least:
            part, found = found[: settings.chunks_at_once], found[settings.chunks_at_once :]
            rows = sum(chunk.rows for chunk in part)
            self._store(part, waiting.slice(0, rows))
            last, waiting = part[-1], waiting.slice(rows)
        return last, waiting

    def _store(self, part: list[Chunk], table: Any) -> None:  # noqa: ANN401 - a pyarrow table
        rows = frame(table, self.manifest)
        large = [chunk for chunk in part if chunk.rows >= self.settings.least_rows]
        if len(large) < len(part):
            self.outcome.conditions.add("too_few_rows")
        keep = [chunk.rows >= self.settings.least_rows for chunk in part for _ in range(chunk.rows)]
        measured = rows if all(keep) else rows[keep]
        measures = self.measurement.measure(measured, [chunk.rows for chunk in large]) if large else []
        stored = [*large, *(chunk for chunk in part if chunk not in large)]
        self.results.add(to_table(stored, measures), part[0].index, part[-1].index)
        newest = measured.iloc[len(measured) - large[-1].rows :] if large else None
        if newest is not None:
            shares = distributions(self.measurement.reference, newest, large[-1].index)
            self.results.add_distributions(shares, large[-1].index)
        self.outcome.rows += len(measured)
