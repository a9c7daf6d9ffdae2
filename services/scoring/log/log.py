"""The prediction log as scoring uses it."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog
from lifecycle.logs import error_facts
from lifecycle.store import ObjectStore, StoreUnavailableError
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from scoring.log.compaction import Compaction
from scoring.log.metrics import LogMetrics
from scoring.log.segments import SegmentFolder
from scoring.log.settings import LogSettings
from scoring.log.uploader import Uploader
from scoring.log.writer import Writer
from scoring.recording import LabelRecord, LogUnavailableError, ScoredRows
from scoring.wire import LabelOutcome

_REMEMBERED_LABELS: Final = 100_000
"""About 20 MB. A pod knows of the labels that it took itself; the reader knows of all."""

_UPLOAD_PAUSE_SECONDS: Final = 1.0
_COMPACTION_PAUSE_SECONDS: Final = 300.0
_LONGEST_PAUSE_SECONDS: Final = 30.0


class NoLog:
    """Keeps nothing."""

    def write(self, rows: ScoredRows) -> None:
        """See PredictionLog."""

    async def write_labels(self, labels: Sequence[LabelRecord]) -> list[LabelOutcome]:  # noqa: ARG002 - the protocol's
        """See PredictionLog."""
        raise LogUnavailableError("the prediction log is off")

    async def run(self) -> None:
        """Nothing goes on in the background."""

    async def close(self) -> None:
        """There is nothing to flush."""


class WriteAheadLog:
    """Keeps predictions and labels in local files, and the files in the object store."""

    def __init__(self, settings: LogSettings, store: ObjectStore, model: str, metrics: LogMetrics) -> None:
        """Starts the writing thread.

        Args:
            settings: how.
            store: of the predictions.
            model: its name.
            metrics: of the log.

        Raises:
            FolderUnusableError: another process uses the folder, or it cannot be used.
        """
        self._settings = settings
        self._metrics = metrics
        self._synchronous = settings.log_mode == "sync"
        self._bound = settings.log_queue_records
        self._folder = SegmentFolder(settings.log_folder, settings.log_max_disk_mib)
        self._uploader = Uploader(store, model, self._folder, metrics)
        self._compaction = Compaction(store, model)
        self._writer = Writer(
            self._folder,
            metrics,
            part_rows=settings.log_part_rows,
            flush_seconds=settings.log_flush_seconds,
            sample_rate=settings.log_sample_rate,
        )
        self._labels: OrderedDict[str, float] = OrderedDict()
        self._labelling = asyncio.Lock()
        self._log = structlog.stdlib.get_logger()
        metrics.watch(lambda: self._writer.queued, self._lag_seconds, settings.log_flush_seconds)

    def write(self, rows: ScoredRows) -> Awaitable[None] | None:
        """See PredictionLog."""
        writer = self._writer
        if writer.queued + len(rows.ids) > self._bound:
            self._metrics.dropped.inc(len(rows.ids))
            return _full() if self._synchronous else None
        if self._synchronous:
            return writer.promise(rows)
        writer.take(rows)
        return None

    async def write_labels(self, labels: Sequence[LabelRecord]) -> list[LabelOutcome]:
        """See PredictionLog."""
        # One request after the other: a second one for the same prediction must not be told before it is known whether
        # the first was kept. Labels come in thousands a request, so that a sync each is enough.
        async with self._labelling:
            return await self._write_labels(labels)

    async def _write_labels(self, labels: Sequence[LabelRecord]) -> list[LabelOutcome]:
        if self._writer.queued + len(labels) > self._bound:
            await _full()
        known: dict[str, float] = {}
        outcomes: list[LabelOutcome] = []
        kept: list[LabelRecord] = []
        for label in labels:
            first = known.get(label.prediction_id, self._labels.get(label.prediction_id))
            if first is None:
                known[label.prediction_id] = label.label
            outcomes.append("accepted" if first is None else "duplicate" if first == label.label else "conflict")
            if outcomes[-1] != "duplicate":
                kept.append(label)
        if kept:
            await self._writer.promise(kept)
        self._labels |= known
        while len(self._labels) > _REMEMBERED_LABELS:
            self._labels.popitem(last=False)
        return outcomes

    async def run(self) -> None:
        """Hands complete files to the store and compacts, until cancelled."""
        await asyncio.gather(
            self._forever(self._uploader.upload, _UPLOAD_PAUSE_SECONDS),
            self._forever(self._compaction.compact, _COMPACTION_PAUSE_SECONDS),
        )

    async def close(self) -> None:
        """Writes and hands over what is left, for as long as the settings allow."""
        self._compaction.stop()
        await asyncio.to_thread(self._writer.close)
        left = await asyncio.to_thread(self._uploader.drain, self._settings.log_close_seconds)
        self._folder.release()
        self._log.info("prediction_log_closed", files_left=left)

    async def _forever(self, work: Callable[[], None], pause_seconds: float) -> None:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(StoreUnavailableError),
            wait=wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE_SECONDS),
        )
        while True:
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, guards nothing
            try:
                await retrying(asyncio.to_thread, work)
            except Exception as error:  # noqa: BLE001 - a defect in one pass ends neither the next one nor the swaps
                self._log.error("prediction_log_pass_failed", **error_facts(error))

    def _lag_seconds(self) -> float:
        ages = [self._folder.age_seconds]
        for path in self._folder.complete():
            with suppress(FileNotFoundError):
                ages.append(time.time() - path.stat().st_mtime + self._settings.log_flush_seconds)
        return max(ages)


async def _full() -> None:
    raise LogUnavailableError("the prediction log's queue is full")


def open_log(
    settings: LogSettings, store: ObjectStore | None, model: str, metrics: LogMetrics
) -> NoLog | WriteAheadLog:
    """The log that the settings ask for.

    Args:
        settings: how.
        store: of the predictions; None only where the log is off.
        model: its name.
        metrics: of the log.

    Raises:
        FolderUnusableError: another process uses the folder, or it cannot be used.
    """
    return NoLog() if store is None else WriteAheadLog(settings, store, model, metrics)
