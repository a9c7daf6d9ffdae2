"""The thread that writes the write-ahead file: whatever waits goes into one write and, where asked for, one sync."""

import asyncio
import hashlib
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import structlog
from lifecycle.manifest import Manifest
from lifecycle.prediction_log import Role

from scoring.log.metrics import LogMetrics
from scoring.log.records import framed, labels_payload, rows_payload
from scoring.log.segments import SegmentFolder
from scoring.recording import LabelRecord, LogUnavailableError, ScoredRows

_LOOK_SECONDS: Final = 0.05
"""How long an unpromised record waits at most: a look costs the event loop nothing, a wake-up for each record 5 us."""

_GROUP: Final = 512
"""Most entries in one write; at 300 bytes each a sync of this many takes hardly longer than of one."""

_DRAWN_BYTES: Final = 4

_MANIFESTS: Final = 4
"""Kept as JSON: those of the champion and of a challenger beside it, whose rows take turns, and of a swap's."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that is acknowledged only once it is on disk."""

    entry: ScoredRows | Sequence[LabelRecord]
    kept: asyncio.Future[None]


class Writer:
    """Takes entries on the event loop, writes them in a thread."""

    def __init__(
        self, folder: SegmentFolder, metrics: LogMetrics, *, part_rows: int, flush_seconds: float, sample_rate: float
    ) -> None:
        """Args: the files, the metrics; when a file is complete; the share of predictions that is kept."""
        self._folder = folder
        self._metrics = metrics
        self._part_rows = part_rows
        self._flush_seconds = flush_seconds
        self._sample_below = round(sample_rate * 256**_DRAWN_BYTES)
        self._samples = sample_rate < 1
        self._entries: deque[ScoredRows | Promise] = deque()
        self._manifests: dict[int, tuple[Manifest, bytes]] = {}
        self._wake = threading.Event()
        self._closing = False
        self._failing = False
        self._taken = self._written = 0  # each is changed by one thread only; the difference is what waits
        self._log = structlog.stdlib.get_logger()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """Rows that wait."""
        return self._taken - self._written

    def take(self, rows: ScoredRows) -> None:
        """Takes rows without a promise."""
        self._taken += len(rows.ids)
        self._entries.append(rows)

    def promise(self, entry: ScoredRows | Sequence[LabelRecord]) -> asyncio.Future[None]:
        """Takes an entry; the future ends once it is on disk, or with LogUnavailableError."""
        kept = asyncio.get_running_loop().create_future()
        self._taken += _rows(entry)
        self._entries.append(Promise(entry, kept))
        self._wake.set()
        return kept

    def close(self) -> None:
        """Writes what waits, completes the file, ends the thread."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
            while self._entries:
                self._write([self._entries.popleft() for _ in range(min(len(self._entries), _GROUP))])
                time.sleep(0)
            closing = self._closing and not self._entries
            if closing or self._folder.age_seconds >= self._flush_seconds:
                self._seal()
            if closing:
                return

    def _seal(self) -> None:
        """Completes the file; a disk that fails at that must not end the thread, for requests wait for it."""
        try:
            self._folder.seal()
        except OSError as error:
            self._metrics.disk_failures.inc()
            self._log.error("prediction_log_write_failed", message=str(error), lost=0)

    def _write(self, group: list[ScoredRows | Promise]) -> None:
        promises = [entry for entry in group if isinstance(entry, Promise)]
        entries = [entry.entry if isinstance(entry, Promise) else entry for entry in group]
        failure: LogUnavailableError | None = None
        try:
            self._append(entries, sync=bool(promises))
            self._failing = False
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever the disk does
            self._failed(error, sum(map(len, (e.ids for e in entries if isinstance(e, ScoredRows)))))
            failure = LogUnavailableError("the prediction log cannot be written")
        finally:
            self._written += sum(map(_rows, entries))
        if promises:
            promises[0].kept.get_loop().call_soon_threadsafe(_settle, promises, failure)

    def _append(self, entries: list[ScoredRows | Sequence[LabelRecord]], *, sync: bool) -> None:
        segment = self._folder.current
        records, rows = [], 0
        for of_rows, alike in groupby(entries, _alike):
            if of_rows is None:
                labels = [label for entry in alike if not isinstance(entry, ScoredRows) for label in entry]
                records.append(framed(labels_payload(labels)))
                rows += len(labels)
                continue
            requests = [entry for entry in alike if isinstance(entry, ScoredRows)]
            if self._samples:
                requests = [kept for kept in map(self._sampled, requests) if kept.ids]
            if requests:
                manifest = requests[0].model.manifest
                records += [segment.introduce(manifest.version, self._json(manifest)), framed(rows_payload(requests))]
                rows += sum(len(kept.ids) for kept in requests)
        if records:
            self._folder.append(b"".join(records), rows, sync=sync)
        if self._folder.rows >= self._part_rows:
            self._folder.seal()

    def _sampled(self, rows: ScoredRows) -> ScoredRows:
        chosen = [i for i, id_ in enumerate(rows.ids) if _drawn(id_) < self._sample_below]
        self._metrics.sampled_out.inc(len(rows.ids) - len(chosen))
        return ScoredRows(
            rows.model,
            rows.role,
            rows.time_us,
            [rows.ids[i] for i in chosen],
            _chosen(rows.vectors, len(rows.ids), chosen),
            _chosen(rows.outputs, len(rows.ids), chosen),
        )

    def _json(self, manifest: Manifest) -> bytes:
        known = self._manifests.get(manifest.version)
        if known is None or known[0] is not manifest:
            if len(self._manifests) >= _MANIFESTS:
                self._manifests.clear()
            self._manifests[manifest.version] = manifest, manifest.model_dump_json().encode()
        return self._manifests[manifest.version][1]

    def _failed(self, error: Exception, predictions: int) -> None:
        self._seal()
        self._metrics.disk_failures.inc()
        self._metrics.dropped.inc(predictions)
        if not self._failing:
            self._failing = True
            self._log.error("prediction_log_write_failed", message=str(error), lost=predictions)


def _settle(promises: list[Promise], failure: LogUnavailableError | None) -> None:
    for promise in promises:
        if promise.kept.done():
            continue  # its request is gone
        if failure is None:
            promise.kept.set_result(None)
        else:
            promise.kept.set_exception(failure)


def _drawn(id_: str) -> int:
    """A number that follows from the id. Its digits do not do: a process counts them, behind a fixed beginning."""
    return int.from_bytes(hashlib.blake2b(id_.encode(), digest_size=_DRAWN_BYTES).digest())


def _alike(entry: ScoredRows | Sequence[LabelRecord]) -> tuple[int, Role] | None:
    """What the rows of one record have in common; None for labels."""
    return (entry.model.manifest.version, entry.role) if isinstance(entry, ScoredRows) else None


def _rows(entry: ScoredRows | Sequence[LabelRecord]) -> int:
    return len(entry.ids) if isinstance(entry, ScoredRows) else len(entry)


def _chosen(data: bytes, rows: int, chosen: list[int]) -> bytes:
    size = len(data) // rows
    return b"".join(data[i * size : (i + 1) * size] for i in chosen)
