"""The thread that writes the write-ahead file: whatever waits goes into one write and, where asked for, one sync."""

import asyncio
import hashlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Final, TypeVar

import structlog
from lifecycle.manifest import Manifest

from scoring.log.metrics import LogMetrics
from scoring.log.records import framed, labels_payload, rows_payload
from scoring.log.segments import SegmentFolder
from scoring.recording import LabelRecord, LogUnavailableError, ScoredRows

_LOOK_SECONDS: Final = 0.05
"""How long an unpromised record waits at most: a look costs the event loop nothing, a wake-up for each record 5 us."""

_GROUP: Final = 1024
"""Most entries in one write; at 300 bytes each a sync of this many takes hardly longer than of one.

What counts beside is how often this thread asks for the interpreter: each time it waits up to 5 ms for it, and
meanwhile the event loop wakes it in vain at every turn, 2 us each. So a group is one write, and nothing that it does in
Python is done for each of its entries.
"""

_DRAWN_BYTES: Final = 4
_IDS: Final = attrgetter("ids")
_MODEL_AND_ROLE: Final = attrgetter("model", "role")
"""What the rows of one record have in common."""

_Entry = TypeVar("_Entry")

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
        self._rows: deque[ScoredRows] = deque()
        self._promises: deque[Promise] = deque()
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
        self._rows.append(rows)

    def promise(self, entry: ScoredRows | Sequence[LabelRecord]) -> asyncio.Future[None]:
        """Takes an entry; the future ends once it is on disk, or with LogUnavailableError."""
        kept = asyncio.get_running_loop().create_future()
        self._taken += len(entry.ids) if isinstance(entry, ScoredRows) else len(entry)
        self._promises.append(Promise(entry, kept))
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
            while self._rows or self._promises:
                self._write(_taken_from(self._rows), _taken_from(self._promises))
            closing = self._closing and not self._rows and not self._promises
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

    def _write(self, rows: list[ScoredRows], promises: list[Promise]) -> None:
        promised = [promise.entry for promise in promises]
        requests = rows + [entry for entry in promised if isinstance(entry, ScoredRows)]
        labels = [label for entry in promised if not isinstance(entry, ScoredRows) for label in entry]
        predictions = _count(requests)
        failure: LogUnavailableError | None = None
        try:
            self._append(requests, labels, sync=bool(promises))
            self._failing = False
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever the disk does
            self._failed(error, predictions)
            failure = LogUnavailableError("the prediction log cannot be written")
        finally:
            self._written += predictions + len(labels)
        if promises:
            promises[0].kept.get_loop().call_soon_threadsafe(_settle, promises, failure)

    def _append(self, requests: list[ScoredRows], labels: list[LabelRecord], *, sync: bool) -> None:
        segment = self._folder.current
        records = [framed(labels_payload(labels))] if labels else []
        if self._samples:
            requests = [kept for kept in map(self._sampled, requests) if kept.ids]
        for _, group in groupby(requests, _MODEL_AND_ROLE):
            alike = list(group)
            manifest = alike[0].model.manifest
            records += [segment.introduce(manifest.version, self._json(manifest)), framed(rows_payload(alike))]
        if records:
            self._folder.append(b"".join(records), _count(requests) + len(labels), sync=sync)
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
            b"".join(_cut(rows.vectors, len(rows.ids), chosen)),
            list(chain.from_iterable(_cut(rows.outputs, len(rows.ids), chosen))),
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


def _taken_from(entries: deque[_Entry]) -> list[_Entry]:
    """The entries that came first, as many as one write takes."""
    return [entries.popleft() for _ in range(min(len(entries), _GROUP))]


def _count(requests: Sequence[ScoredRows]) -> int:
    """How many rows they have."""
    return sum(map(len, map(_IDS, requests)))


def _cut(data: Sequence[Any], rows: int, chosen: list[int]) -> Iterator[Any]:
    """The pieces of the chosen rows."""
    size = len(data) // rows
    return (data[i * size : (i + 1) * size] for i in chosen)
