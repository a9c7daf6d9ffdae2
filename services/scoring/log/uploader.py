"""Hands complete write-ahead files to the object store, one after the other, and removes each once it is there."""

import math
import threading
import time
from pathlib import Path

import structlog
from lifecycle.logs import error_facts
from lifecycle.store import ObjectStore, StoreUnavailableError, patience

from scoring.log.metrics import LogMetrics
from scoring.log.parts import parts
from scoring.log.segments import SegmentFolder


class Uploader:
    """Blocks; call it in a thread of its own."""

    def __init__(self, store: ObjectStore, model: str, folder: SegmentFolder, metrics: LogMetrics) -> None:
        """Args: the predictions' store, the model's name, the files, the metrics."""
        self._store = store
        self._model = model
        self._folder = folder
        self._metrics = metrics
        self._one_at_a_time = threading.Lock()
        self._deadline = math.inf
        self._log = structlog.stdlib.get_logger()

    def upload(self) -> None:
        """Hands over every complete file; once a drain has begun, until its time is up.

        Raises:
            StoreUnavailableError: the store does not answer; what is not there yet stays on disk.
        """
        with self._one_at_a_time:
            for path in self._folder.complete():
                if time.monotonic() > self._deadline:
                    return
                self._hand_over(path)

    def drain(self, seconds: float) -> int:
        """Hands over every complete file, with patience for the store; the last, for one that runs beside it ends too.

        Returns:
            How many files are left after `seconds` and the one call of the store that was under way then.
        """
        self._deadline = time.monotonic() + seconds
        reason = "the time was up"
        try:
            patience(seconds)(self.upload)
        except StoreUnavailableError as error:
            reason = str(error)
        left = len(self._folder.complete())
        if left:
            self._log.error("prediction_log_left_on_disk", files=left, message=reason)
        return left

    def _hand_over(self, path: Path) -> None:
        predictions = 0
        try:
            for part in parts(self._model, path.stem, path.read_bytes()):
                # False: a process that died after this write and before the removal below, or a lost answer.
                if self._create(part.key, part.data):
                    self._metrics.bytes.inc(len(part.data))
                predictions += part.predictions
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one file must not hold up all that follow
            self._metrics.disk_failures.inc()
            self._log.error("prediction_log_file_set_aside", file=path.name, **error_facts(error))
            self._folder.set_aside(path)
        else:
            self._folder.remove(path)
            # Not part by part: a file whose second part fails is handed over anew, the first part included.
            self._metrics.stored.inc(predictions)

    def _create(self, key: str, data: bytes) -> bool:
        try:
            return self._store.create(key, data)
        except StoreUnavailableError:
            self._metrics.store_failures.inc()
            raise
