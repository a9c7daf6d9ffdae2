"""The results in the object store: parts written once, so that no chunk is missing or doubled.

<model>/drift/v00000001/chunks/<first chunk>-<last chunk>.parquet     of several with a chunk the widest counts
<model>/drift/v00000001/realized/<chunk>-<labels>.parquet             of several for a chunk, the one with most labels
<model>/drift/v00000001/distributions/<chunk>.parquet                 of the newest chunk of an evaluation
<model>/drift/v00000001/labels.json                                   which labels were looked at
"""

import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.store import ObjectStore
from pydantic import AwareDatetime, BaseModel, ConfigDict

from drift.findings import SCHEMA, Chunk, to_chunks

_LIMIT_BYTES: Final = 256 * 1024 * 1024
_BLOCK: Final = 100
"""Chunks that are put together once they are all there: a month of a busy model is read in tens of requests."""


class LabelMark(BaseModel):
    """Labels that were written up to this moment, so many parts, of chunks up to this one, were looked at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    written: AwareDatetime
    parts: int
    chunk: int


class Results:
    """What was found about one version of a model. Every method may raise StoreUnavailableError."""

    def __init__(self, store: ObjectStore, model: str, version: int) -> None:
        """Args: the store of the predictions, the model, the version."""
        self._store = store
        self._folder = f"{model}/drift/v{version:08d}"

    def add(self, table: Any, first: int, last: int) -> bool:  # noqa: ANN401 - a pyarrow table
        """Stores the chunks from `first` to `last`; False where another evaluation has stored them already."""
        stored = self._store.create(self._key("chunks", first, last), _encoded(table))
        for block in range(first - first % _BLOCK, last + 1, _BLOCK):
            if block + _BLOCK - 1 <= last:
                self._put_together(block)
        return stored

    def chunks(self, since: int = 0) -> Any:  # noqa: ANN401 - a pyarrow table
        """Everything but realized performance, each chunk once, from the chunk `since` on."""
        tables, next_chunk = [], since
        for first, last in self._parts():
            if last < next_chunk:
                continue
            table = self._read(self._key("chunks", first, last))
            tables.append(table.filter(pa.compute.field("chunk") >= next_chunk))
            next_chunk = last + 1
        return pa.concat_tables(tables) if tables else SCHEMA.empty_table()

    def chunks_after(self, moment: datetime) -> list[Chunk]:
        """The chunks that ended after a moment, in order."""
        found: list[Chunk] = []
        for first, last in reversed(list(self._parts())):
            of_part = to_chunks(self._read(self._key("chunks", first, last)))
            later = [chunk for chunk in of_part if chunk.end > moment and not (found and chunk.index >= found[0].index)]
            found = later + found
            if of_part[0].end <= moment:
                break
        return found

    def newest(self) -> int:
        """The number of the newest chunk; -1 before the first."""
        return max((last for _, last in self._parts()), default=-1)

    def newest_rows(self) -> list[dict[str, Any]]:
        """What is known of the newest chunk, and realized performance of the newest chunk that has some."""
        newest = self.newest()
        rows = self.chunks(newest) if newest >= 0 else SCHEMA.empty_table()
        realized = SCHEMA.empty_table()
        for chunk, labels in reversed(self.labels().items()):
            realized = self._read(self._key("realized", chunk, labels))
            if any(realized["family"].is_valid().to_pylist()):
                break
        found: list[dict[str, Any]] = pa.concat_tables([rows, realized]).to_pylist()
        return found

    def add_realized(self, table: Any, chunk: int, labels: int) -> bool:  # noqa: ANN401 - a pyarrow table
        """Stores what a chunk's labels say, now that it has so many."""
        return self._store.create(self._key("realized", chunk, labels), _encoded(table))

    def labels(self) -> dict[int, int]:
        """How many labels each chunk had when they were last looked at; chunks without one are left out."""
        # Keys are in order, so the most labels of a chunk come last.
        return dict(_numbers(object_.key) for object_ in self._store.list(f"{self._folder}/realized"))

    def realized(self, since: int = 0) -> Any:  # noqa: ANN401 - a pyarrow table
        """Realized performance by chunk, from the chunk `since` on."""
        found = {chunk: labels for chunk, labels in self.labels().items() if chunk >= since}
        tables = [self._read(self._key("realized", chunk, labels)) for chunk, labels in found.items()]
        return pa.concat_tables(tables) if tables else SCHEMA.empty_table()

    def add_distributions(self, table: Any, chunk: int) -> bool:  # noqa: ANN401 - a pyarrow table
        """Stores how the values of a chunk and of the reference are distributed."""
        return self._store.create(f"{self._folder}/distributions/{chunk:010d}.parquet", _encoded(table))

    def distributions(self) -> Any | None:  # noqa: ANN401 - a pyarrow table
        """Those of the newest chunk that has them; None before the first."""
        listed = self._store.list(f"{self._folder}/distributions")
        return self._read(listed[-1].key) if listed else None

    def label_mark(self) -> LabelMark | None:
        """Which labels were looked at; None before the first."""
        blob = self._store.get(self._mark_key, limit_bytes=_LIMIT_BYTES)
        return None if blob is None else LabelMark.model_validate_json(blob.data)

    def mark_labels(self, mark: LabelMark) -> None:
        """Notes which labels were looked at; of two that do so at once one does, and labels are looked at again."""
        data = mark.model_dump_json().encode()
        blob = self._store.get(self._mark_key, limit_bytes=_LIMIT_BYTES)
        if blob is None:
            self._store.create(self._mark_key, data)
        elif blob.data != data:
            self._store.replace(self._mark_key, data, blob.e_tag)

    @property
    def _mark_key(self) -> str:
        return f"{self._folder}/labels.json"

    def _key(self, folder: str, first: int, second: int) -> str:
        return f"{self._folder}/{folder}/{first:010d}-{second:010d}.parquet"

    def _parts(self) -> Iterator[tuple[int, int]]:
        """The parts that hold every chunk, in order; two evaluations at once may have made others beside them."""
        listed = [_numbers(object_.key) for object_ in self._store.list(f"{self._folder}/chunks")]
        next_chunk = 0
        while widest := max(((last, first) for first, last in listed if first <= next_chunk <= last), default=None):
            yield widest[1], widest[0]
            next_chunk = widest[0] + 1

    def _put_together(self, first: int) -> None:
        last = first + _BLOCK - 1
        table = self.chunks(first)
        table = table.filter(pa.compute.field("chunk") <= last)
        # Only what is whole: a reader would take the block for all of its chunks.
        if [chunk.index for chunk in to_chunks(table)] == list(range(first, last + 1)):
            self._store.create(self._key("chunks", first, last), _encoded(table))

    def _read(self, key: str) -> Any:  # noqa: ANN401 - a pyarrow table
        blob = self._store.get(key, limit_bytes=_LIMIT_BYTES)
        if blob is None:
            message = f"{key} was listed and is gone; results are never deleted while they are in use"
            raise FileNotFoundError(message)
        return pq.read_table(io.BytesIO(blob.data))


def _numbers(key: str) -> tuple[int, int]:
    first, second = key.rsplit("/", 1)[-1].removesuffix(".parquet").split("-")
    return int(first), int(second)


def _encoded(table: Any) -> bytes:  # noqa: ANN401 - a pyarrow table
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()
