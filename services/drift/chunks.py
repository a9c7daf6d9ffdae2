"""Where chunks begin and end, in the order of time and id. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.prediction_log import MOMENT

from drift.findings import Chunk

Table = Any
"""A pyarrow Table with `time` and `prediction_id`, in their order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Chunking:
    """By size, unless a period is given: then a chunk is what was predicted in one."""

    rows: int
    period: timedelta | None
    grace: timedelta
    """How long a chunk waits, after its end, for rows that are stored late."""


def after(table: Table, last: Chunk | None) -> Table:
    """The rows that follow a chunk."""
    if last is None:
        return table
    end = pa.scalar(last.end, MOMENT)
    later = pc.or_(
        pc.greater(table["time"], end),
        pc.and_(pc.equal(table["time"], end), pc.greater(table["prediction_id"], last.last_id)),
    )
    return table.filter(later)


def within(table: Table, chunk: Chunk) -> Table:
    """The rows of a chunk, those included that were stored after it was evaluated."""
    # Found by halving: to compare every row with every chunk's bounds took 10 s of a million rows in 200 chunks.
    times, start, end = table["time"], _moment(chunk.start), _moment(chunk.end)
    places = range(table.num_rows)
    first = bisect_left(places, start, key=lambda place: times[place].value)
    after_last = bisect_right(places, end, lo=first, key=lambda place: times[place].value)
    near = table.slice(first, after_last - first)
    not_before = pc.or_(
        pc.greater(near["time"], pa.scalar(chunk.start, MOMENT)),
        pc.greater_equal(near["prediction_id"], chunk.first_id),
    )
    not_after = pc.or_(
        pc.less(near["time"], pa.scalar(chunk.end, MOMENT)), pc.less_equal(near["prediction_id"], chunk.last_id)
    )
    return near.filter(pc.and_(not_before, not_after))


def closed(table: Table, chunking: Chunking, index: int, now: datetime) -> list[Chunk]:
    """The chunks that these rows begin with and that no row can join any more.

    Args:
        table: the rows that no chunk has yet.
        chunking: where chunks end.
        index: of the first chunk.
        now: with a time zone; a chunk that ended within the grace period before it is not closed.
    """
    bounds = _sizes(table, chunking.rows) if chunking.period is None else _periods(table, chunking.period)
    found: list[Chunk] = []
    for first, after_last, end in bounds:
        if end > now - chunking.grace:
            break
        moments, ids = table["time"], table["prediction_id"]
        found.append(
            Chunk(
                index=index + len(found),
                start=moments[first].as_py(),
                first_id=ids[first].as_py(),
                end=moments[after_last - 1].as_py(),
                last_id=ids[after_last - 1].as_py(),
                rows=after_last - first,
            )
        )
    return found


def _moment(moment: datetime) -> int:
    """As the column `time` holds it: microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _sizes(table: Table, rows: int) -> Iterator[tuple[int, int, datetime]]:
    for first in range(0, table.num_rows - rows + 1, rows):
        yield first, first + rows, table["time"][first + rows - 1].as_py()


def _periods(table: Table, period: timedelta) -> Iterator[tuple[int, int, datetime]]:
    """Chunks of one period each, counted from 1970 on, so that they begin at the full hour or day."""
    first = 0
    while first < table.num_rows:
        begun = (table["time"][first].as_py() - _EPOCH) // period
        end = _EPOCH + (begun + 1) * period
        after_last = first + pc.sum(pc.less(table["time"].slice(first), pa.scalar(end, MOMENT))).as_py()
        yield first, after_last, end
        first = after_last
