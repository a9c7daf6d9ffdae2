"""What workers of a Dask cluster do, and what is said where there is none. That results are equal: test_parity.py."""

import pickle
import socket
from dataclasses import replace

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from drift.engine import ClusterUnavailableError
from drift.findings import Chunk
from drift.spread import Work, _read
from lifecycle.registry import ModelRefusedError
from lifecycle.store import StoreUnavailableError
from tests.services.drift.replay import Replay, rows

from drift import spread

pytestmark = pytest.mark.engine  # NannyML takes seconds to load


def _ten_chunks() -> tuple[pa.Table, list[Chunk]]:
    """Traffic of 1,000 rows, and chunks of a hundred of them."""
    table = rows(1000, 1).sort_by([("time", "ascending"), ("prediction_id", "ascending")])
    times, ids = table["time"].to_pylist(), table["prediction_id"].to_pylist()
    bounds = [(place, place + 99) for place in range(0, 1000, 100)]
    found = [Chunk(first // 100, times[first], ids[first], times[last], ids[last], 100) for first, last in bounds]
    return table, found


@pytest.fixture
def work(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Of the replayed model, in this process."""
    monkeypatch.setenv("MODEL_STORE_URL", f"file://{replay.folder}")
    monkeypatch.setenv("PREDICTION_STORE_URL", f"file://{replay.folder}")
    spread._stores.cache_clear()
    replay.publish(rows(5000))
    return Work(replay.registry.manifest(1), replay.settings)


def test_a_worker_holds_its_partition_and_nothing_beside_it(replay: Replay, work: Work) -> None:
    """Whatever the window is that the partition is of."""
    table, found = _ten_chunks()
    replay.predict(table)
    partition, _ = _read(work, found[3:5])
    assert len(partition.rows) == 200
    assert partition.rows["feature.age"].tolist() == table["feature.age"].to_pylist()[300:500]
    column = partition.of_column("feature.age")
    assert list(column.rows.columns) == ["feature.age"]
    assert len(pickle.dumps(column)) < 200 * 8 + 4096


def test_rows_stored_since_the_chunks_were_cut_are_measured_in_the_chunk_that_they_belong_to(
    replay: Replay, work: Work
) -> None:
    """The number of rows that is stored is that of the rows that were measured."""
    table, found = _ten_chunks()
    replay.predict(table)
    fewer = [replace(chunk, rows=98) for chunk in found[:2]]
    partition, _ = _read(work, fewer)
    assert [chunk.rows for chunk in partition.chunks] == [100, 100]


def test_without_a_cluster_that_is_what_is_said(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is evaluated elsewhere in its stead."""
    replay.publish(rows(5000))
    monkeypatch.setattr(spread, "_CONNECT_SECONDS", 0.5)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        replay.options = {"engine": "dask", "dask_scheduler": f"tcp://127.0.0.1:{closed.getsockname()[1]}"}
        replay.predict(rows(600, 1))
        with pytest.raises(ClusterUnavailableError):
            replay.evaluate()
    assert replay.measures() == []


@pytest.mark.parametrize(
    "error", [StoreUnavailableError("get", "a/b", OSError("away")), ModelRefusedError("manifest_invalid", "no JSON", 3)]
)
def test_what_a_worker_could_not_do_is_told_as_it_is_told_in_one_process(error: Exception) -> None:
    """From the worker the error comes pickled."""
    found = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(found), str(found), found.__dict__) == (type(error), str(error), error.__dict__)
