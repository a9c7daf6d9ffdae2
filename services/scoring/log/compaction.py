"""Merges the small parts of closed hours into few, at any crash and beside other pods that do the same.

The merged part is created under the next number of its hour, so of several writers one wins; its footer lists every
part that it stands for. Readers leave those out from then on. They are deleted by a later run, when no reader that
listed them before can still want them.
"""

import io
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.prediction_log import (
    MERGED_PREFIX,
    Kind,
    hour_prefix,
    hours,
    merged_metadata,
    merged_sources,
)
from lifecycle.store import ObjectStore, StoredObject

from scoring.log.parts import repeating

_CLOSED_AFTER: Final = timedelta(minutes=15)
"""After an hour's end nearly all of its parts are there; one that comes later is merged later."""

_LOOK_BACK: Final = timedelta(hours=26)
_DELETED_AFTER: Final = timedelta(minutes=15)
_MERGED_BYTES: Final = 64 * 1024 * 1024
"""A merge reads at most this much, so that it takes tens of megabytes of memory, and leaves larger parts alone."""

_LEAST_PARTS: Final = 4


class Compaction:
    """Of one model's log. Blocks."""

    def __init__(self, store: ObjectStore, model: str) -> None:
        """Args: the predictions' store, and the model's name."""
        self._store = store
        self._model = model
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends a run that is under way at the next hour or part; from any thread. A process that stops waits for it."""
        self._stopped.set()

    def compact(self, now: datetime | None = None) -> None:
        """Merges what can be merged, deletes what was merged before.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        moment = now or datetime.now(UTC)
        kinds: tuple[Kind, ...] = ("predictions", "labels")
        for hour in hours(moment - _LOOK_BACK, moment - _CLOSED_AFTER - timedelta(hours=1)):
            for kind in kinds:
                if self._stopped.is_set():
                    return
                self._hour(hour_prefix(self._model, kind, hour), moment)

    def _hour(self, prefix: str, now: datetime) -> None:
        objects = [object_ for object_ in self._store.list(prefix) if object_.key.endswith(".parquet")]
        merged = [object_ for object_ in objects if _number(object_.key)]
        covered: set[str] = set()
        for object_ in merged:
            sources = merged_sources(self._store, object_.key)
            covered |= sources
            if now - object_.modified >= _DELETED_AFTER:
                for key in sources & {object_.key for object_ in objects}:
                    self._store.delete(key)
        small = [o for o in objects if o.key not in covered and o.size_bytes < _MERGED_BYTES // 2]
        if len(small) >= _LEAST_PARTS or (merged and len(small) > len(merged)):
            self._merge(prefix, small, max((_number(o.key) for o in objects), default=0) + 1)

    def _merge(self, prefix: str, small: list[StoredObject], number: int) -> None:
        merged: list[_Merged] = []
        total = 0
        for object_ in small:
            total += object_.size_bytes
            if total > _MERGED_BYTES:
                break
            if self._stopped.is_set():
                return
            try:
                with self._store.open_ranges(object_.key) as part:
                    table = pq.read_table(part, partitioning=None).replace_schema_metadata(None)
            except FileNotFoundError:
                return  # another pod is further: the next run sees what it did
            except (pa.ArrowException, ValueError):
                continue  # the reader names it; it stays as it is
            # Parts of one hour differ where a version with another order of features began to serve in it.
            into = next((one for one in merged if one.schema == table.schema), None)
            if into is None:
                into = _Merged(table.schema)
                merged.append(into)
            into.writer.write_table(table)
            into.sources |= {object_.key}
            if _number(object_.key):
                into.sources |= merged_sources(self._store, object_.key)
        for offset, one in enumerate(one for one in merged if len(one.sources) > 1):
            self._store.create(f"{prefix}/{MERGED_PREFIX}{number + offset:08d}.parquet", one.finish())


@dataclass
class _Merged:
    """A merged part while it is made."""

    schema: Any
    """Of arrow."""
    sources: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._file = io.BytesIO()
        self.writer: Any = pq.ParquetWriter(
            self._file, self.schema, compression="zstd", use_dictionary=repeating(self.schema)
        )

    def finish(self) -> bytes:
        """The part."""
        self.writer.add_key_value_metadata(merged_metadata(self.sources))
        self.writer.close()
        return self._file.getvalue()


def _number(key: str) -> int:
    """The number of a merged part; 0 for any other."""
    name = key.rsplit("/", 1)[-1]
    if not name.startswith(MERGED_PREFIX):
        return 0
    return int(name.removeprefix(MERGED_PREFIX).removesuffix(".parquet"))
