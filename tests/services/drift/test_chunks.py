"""Where chunks end, and that results are neither missing nor doubled."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from drift.chunks import Chunking
from drift.findings import Chunk, Measure, to_chunks, to_table
from drift.results import Results
from lifecycle.prediction_log import MOMENT
from lifecycle.store import ObjectStore
from obstore.store import LocalStore

from drift import chunks

_START = datetime(2026, 1, 1, tzinfo=UTC)
_LATER = _START + timedelta(days=30)


def _table(rows: int, per_moment: int = 1, step: timedelta = timedelta(seconds=1)) -> Any:  # noqa: ANN401 - a table
    moments = [_START + step * (position // per_moment) for position in range(rows)]
    return pa.table({"prediction_id": [f"{i:04d}" for i in range(rows)], "time": pa.array(moments, MOMENT)})


def _by_size(rows: int, grace: timedelta = timedelta(0)) -> Chunking:
    return Chunking(rows, None, grace)


def test_only_full_chunks_are_closed() -> None:
    """The rows past the last full chunk wait."""
    found = chunks.closed(_table(25), _by_size(10), 0, _LATER)
    assert [(chunk.index, chunk.first_id, chunk.last_id) for chunk in found] == [
        (0, "0000", "0009"),
        (1, "0010", "0019"),
    ]


def test_a_chunk_within_the_grace_period_is_not_closed() -> None:
    """A part stored late may still belong to it."""
    found = chunks.closed(_table(20), _by_size(10, timedelta(seconds=5)), 0, _START + timedelta(seconds=20))
    assert [chunk.index for chunk in found] == [0]


@pytest.mark.parametrize("per_moment", [1, 7, 30])
def test_chunks_go_on_after_the_last_one_even_within_one_moment(per_moment: int) -> None:
    """In two steps the chunks are those of one step, also where many rows have the same time."""
    table = _table(30, per_moment)
    whole = chunks.closed(table, _by_size(10), 0, _LATER)
    rest = chunks.after(table, whole[0])
    assert chunks.closed(rest, _by_size(10), 1, _LATER) == whole[1:]


@pytest.mark.parametrize("per_moment", [1, 7, 30])
def test_a_chunk_is_found_again_by_its_bounds(per_moment: int) -> None:
    """Labels that come later meet the rows that were evaluated, and no neighbour's."""
    table = _table(30, per_moment)
    for chunk in chunks.closed(table, _by_size(10), 0, _LATER):
        ids = chunks.within(table, chunk)["prediction_id"].to_pylist()
        assert ids == [f"{place:04d}" for place in range(chunk.index * 10, chunk.index * 10 + 10)]


@pytest.mark.parametrize(("step", "more"), [(timedelta(hours=3), 3), (timedelta(hours=-3), 0)])
def test_a_step_of_the_clock_gives_no_row_to_two_chunks(step: timedelta, more: int) -> None:
    """What is predicted from then on is evaluated where it is later than the last chunk, and no chunk is so twice."""
    table, now = _table(30), _START + timedelta(seconds=30)
    first = chunks.closed(table, _by_size(10), 0, now)
    ids = pc.binary_join_element_wise(table["prediction_id"], "s", "")
    stepped = pa.table({"prediction_id": ids, "time": pc.add(table["time"], pa.scalar(step))})
    both = pa.concat_tables([table, stepped]).sort_by([("time", "ascending"), ("prediction_id", "ascending")])
    second = chunks.closed(chunks.after(both, first[-1]), _by_size(10), len(first), now + abs(step))
    assert len(second) == more
    every = [*first, *second]
    assert chunks.closed(chunks.after(both, every[-1]), _by_size(10), len(every), _LATER) == []
    found = [name for chunk in every for name in chunks.within(both, chunk)["prediction_id"].to_pylist()]
    assert len(found) == len(set(found)) == 10 * len(every)


def test_chunks_of_hours_begin_at_the_full_hour_and_leave_out_the_one_under_way() -> None:
    """Whatever the number of rows; an hour without rows has no chunk."""
    early, late = _table(90, step=timedelta(minutes=1)), _table(240, step=timedelta(minutes=1)).slice(180)
    table = pa.concat_tables([early, late])
    hourly = Chunking(10, timedelta(hours=1), timedelta(minutes=2))
    found = chunks.closed(table, hourly, 5, _START + timedelta(hours=4, minutes=1))
    assert [(chunk.index, chunk.rows) for chunk in found] == [(5, 60), (6, 30)]
    closed = chunks.closed(table, hourly, 5, _START + timedelta(hours=4, minutes=2))
    assert [(chunk.start, chunk.rows) for chunk in closed[2:]] == [(_START + timedelta(hours=3), 60)]


def _chunk(index: int) -> Chunk:
    moment = _START + timedelta(hours=index)
    return Chunk(index, moment, "a", moment, "x", 10)


def _part(first: int, last: int, value: float = 1.0) -> Any:  # noqa: ANN401 - a table
    picked = [_chunk(index) for index in range(first, last + 1)]
    return to_table(picked, [Measure(i, "univariate", "c", "js", value) for i in range(len(picked))])


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """None yet."""
    return Results(ObjectStore(LocalStore(tmp_path)), "m", 1)


def test_overlapping_parts_give_each_chunk_once(results: Results) -> None:
    """Two evaluations at once may store parts with other bounds."""
    assert results.add(_part(0, 1), 0, 1)
    assert not results.add(_part(0, 1), 0, 1)
    assert results.add(_part(1, 3), 1, 3)
    assert results.add(_part(0, 2), 0, 2)
    assert results.chunks()["chunk"].to_pylist() == [0, 1, 2, 3]
    assert results.chunks(2)["chunk"].to_pylist() == [2, 3]
    assert results.newest() == 3


def test_a_chunk_of_which_nothing_was_measured_is_stored_all_the_same(results: Results) -> None:
    """Otherwise it would be evaluated anew each time."""
    results.add(to_table([_chunk(0)], []), 0, 0)
    assert results.newest() == 0
    assert to_chunks(results.chunks()) == [_chunk(0)]


def test_parts_are_put_together_once_a_hundred_chunks_are_there(results: Results) -> None:
    """A reader then needs one request for them, and finds the same."""
    for first in range(0, 105, 3):
        results.add(_part(first, first + 2, value=first), first, first + 2)
    listed = [object_.key for object_ in results._store.list("m/drift/v00000001/chunks")]
    assert "m/drift/v00000001/chunks/0000000000-0000000099.parquet" in listed
    table = results.chunks()
    assert table["chunk"].to_pylist() == list(range(105))
    assert table["value"].to_pylist() == [float(chunk - chunk % 3) for chunk in range(105)]


def test_the_chunks_of_the_horizon_are_found_without_reading_all(results: Results) -> None:
    """Newest first, until one is too old."""
    for first in range(0, 30, 3):
        results.add(_part(first, first + 2), first, first + 2)
    found = results.chunks_after(_START + timedelta(hours=22))
    assert [chunk.index for chunk in found] == list(range(23, 30))


def test_of_the_labels_of_a_chunk_the_most_count(results: Results) -> None:
    """Each time that there are more, a part is added."""
    for labels in (3, 10, 7):
        results.add_realized(_part(0, 0, value=labels), 0, labels)
    assert results.labels() == {0: 10}
    assert results.realized()["value"].to_pylist() == [10.0]
