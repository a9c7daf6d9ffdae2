"""The prediction log of the real process, before a real S3 server: what is acknowledged is kept, and kept once."""

import asyncio
import os
import random
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
import uvloop
from lifecycle.store import ObjectStore
from tests.services.scoring.process.load import load, predict_request
from tests.services.scoring.process.object_store import ObjectStoreServer
from tests.services.scoring.process.service import Service, eventually

StartService = Callable[..., Service]

KILLS: Final = 100
LANES: Final = 2
"""Services that are killed side by side, as pods that share a store; starting one takes a second of one core."""

CONNECTIONS: Final = 8
_ID: Final = re.compile(rb'"id":"([0-9a-f]{32})"')


def stored(store: ObjectStore) -> Counter[str]:
    """How often each prediction is in the store, whatever a reader would leave out."""
    found: Counter[str] = Counter()
    for part in store.list("car-loan/predictions"):
        with store.open_ranges(part.key) as file:
            found.update(pq.read_table(file, columns=["prediction_id"], partitioning=None)[0].to_pylist())
    return found


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_process_told_to_stop_hands_everything_over(
    start: StartService, object_store: ObjectStoreServer, tmp_path: Path, row: dict[str, Any], mode: str
) -> None:
    """What would else have waited for half an hour; predictions and labels."""
    service = start(
        **object_store.environment,
        SCORING_LOG_MODE=mode,
        SCORING_LOG_FOLDER=str(tmp_path / "wal"),
        SCORING_LOG_FLUSH_SECONDS="1800",
    )
    service.wait_until("/ready", 200)
    answers = [service.predict(row, row)[1] for _ in range(20)]
    ids = [prediction["id"] for answer in answers for prediction in answer["predictions"]]
    assert service.ask("POST", "/v1/labels", {"labels": [{"id": ids[0], "label": "repaid"}]})[0] == 200
    predictions = object_store.bucket("predictions")
    assert predictions.list("") == []
    assert service.terminate() == 0
    assert stored(predictions) == Counter(ids)
    assert len(predictions.list("car-loan/labels")) == 1
    assert list((tmp_path / "wal").iterdir()) == []
    assert [line["files_left"] for line in service.events("prediction_log_closed")] == [0]


def test_what_was_acknowledged_is_stored_once_however_often_processes_are_killed(
    start: StartService, object_store: ObjectStoreServer, tmp_path: Path, row: dict[str, Any]
) -> None:
    """Under load, at random moments: while they write, sync, hand over, and replay what the one before left."""
    requests = [predict_request(row), predict_request(row, row, row)]
    acknowledged: list[str] = []
    statuses: Counter[int] = Counter()
    chance = random.Random(20260101)  # noqa: S311 - the same moments in every run

    def launch(lane: int) -> Service:
        return start(
            **object_store.environment,
            SCORING_LOG_MODE="sync",
            SCORING_LOG_FOLDER=str(tmp_path / f"wal-{lane}"),
            SCORING_LOG_FLUSH_SECONDS="0.2",
            SCORING_LOG_PART_ROWS="200",
        )

    def heard(status: int, body: bytes, _seconds: float) -> None:
        statuses[status] += 1
        if status == 200:
            acknowledged.extend(id_.decode() for id_ in _ID.findall(body))

    async def kill_one_after_another(lane: int) -> None:
        for _ in range(KILLS // LANES):
            service = launch(lane)
            await asyncio.to_thread(service.wait_until, "/ready", 200)
            over = asyncio.Event()
            asking = asyncio.create_task(load(service.port, requests, CONNECTIONS, heard, over))
            await asyncio.sleep(chance.uniform(0, 0.4))
            service.process.kill()
            outcome = await asking
            assert outcome.lost == CONNECTIONS
            service.process.wait()

    async def kill_all() -> None:
        await asyncio.gather(*map(kill_one_after_another, range(LANES)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(kill_all())
    for lane in range(LANES):
        service = launch(lane)
        service.wait_until("/ready", 200)
        assert service.terminate() == 0
        assert list((tmp_path / f"wal-{lane}").iterdir()) == []
    found = stored(object_store.bucket("predictions"))
    print(f"{len(acknowledged)} acknowledged, {found.total()} stored, answers {dict(statuses)}")  # noqa: T201 - shown with -s
    assert set(statuses) == {200}
    assert len(acknowledged) > 20 * KILLS
    assert set(acknowledged) - set(found) == set()
    assert found.total() == len(found)


def test_a_store_that_is_away_for_a_while_gets_everything(
    start: StartService, object_store: ObjectStoreServer, tmp_path: Path, row: dict[str, Any]
) -> None:
    """Predictions go on meanwhile; the failures and the lag are told."""
    service = start(
        **object_store.environment,
        SCORING_LOG_MODE="sync",
        SCORING_LOG_FOLDER=str(tmp_path / "wal"),
        SCORING_LOG_FLUSH_SECONDS="0.2",
    )
    service.wait_until("/ready", 200)
    object_store.stop()
    ids: list[str] = []

    def predict() -> None:
        status, answer = service.predict(row)
        assert status == 200
        ids.append(answer["predictions"][0]["id"])

    def has_failed() -> bool:
        predict()
        return service.metric("scoring_log_failures_total", cause="store") >= 2

    eventually(has_failed, "the log met the store's absence twice")
    assert service.metric("scoring_log_lag_seconds") > 0.2
    assert service.metric("scoring_log_records_total", outcome="stored") == 0
    assert len(list((tmp_path / "wal").glob("*.wal"))) > 1
    object_store.start()
    eventually(lambda: service.metric("scoring_log_records_total", outcome="stored") == len(ids), "all are stored")
    assert stored(object_store.bucket("predictions")) == Counter(ids)
    assert service.terminate() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_full_disk_is_told_and_got_over(
    start: StartService, object_store: ObjectStoreServer, small_disk: Path, row: dict[str, Any], mode: str
) -> None:
    """Sync refuses what it cannot keep, async counts it; once there is room, predictions are kept as before."""
    filler = small_disk / "filler"
    service = start(
        **object_store.environment,
        SCORING_LOG_MODE=mode,
        SCORING_LOG_FOLDER=str(small_disk / "wal"),
        SCORING_LOG_FLUSH_SECONDS="0.2",
    )
    service.wait_until("/ready", 200)
    given: Counter[int] = Counter()
    ids: list[str] = []

    def predict() -> int:
        status, answer = service.predict(row)
        given[status] += 1
        if status == 200:
            ids.extend(prediction["id"] for prediction in answer["predictions"])
        return status

    def dropped() -> float:
        return service.metric("scoring_log_records_total", outcome="dropped")

    assert predict() == 200
    eventually(lambda: len(stored(object_store.bucket("predictions"))) == 1, "the first is stored")
    with filler.open("wb", buffering=0) as file:
        while os.statvfs(small_disk).f_bavail:
            file.write(bytes(4096))

    def is_felt() -> bool:
        status = predict()
        return status == 503 if mode == "sync" else dropped() > 0

    eventually(is_felt, "the disk is felt to be full")
    assert service.metric("scoring_log_failures_total", cause="disk") > 0
    (line,) = service.events("prediction_log_write_failed")
    assert "No space left" in line["message"]
    filler.unlink()
    if mode == "sync":
        eventually(lambda: predict() == 200, "predictions are kept again")
        lost = 0.0
    else:
        eventually(lambda: service.metric("scoring_log_queue_records") == 0, "nothing waits")
        lost = dropped()
        assert predict() == 200
    assert service.terminate() == 0
    found = stored(object_store.bucket("predictions"))
    assert found.total() == len(found) == len(ids) - lost
    assert set(found) <= set(ids)
    assert given[503] > 0 or mode == "async"


def test_a_folder_that_is_taken_ends_the_process_with_what_to_do(
    start: StartService, object_store: ObjectStoreServer, tmp_path: Path
) -> None:
    """One line, no trace, an exit status of its own."""
    settings = {
        **object_store.environment,
        "SCORING_LOG_MODE": "sync",
        "SCORING_LOG_FOLDER": str(tmp_path / "wal"),
    }
    first = start(**settings)
    first.wait_until("/ready", 200)
    status, log = start(**settings).stop()
    assert status == 4
    (line,) = log
    assert (line["event"], line["level"]) == ("prediction_log_unusable", "error")
    assert str(tmp_path / "wal") in line["message"]
    assert "SCORING_LOG_FOLDER" in line["message"]
    (tmp_path / "file").write_text("")
    status, log = start(**settings | {"SCORING_LOG_FOLDER": str(tmp_path / "file")}).stop()
    assert status == 4
    assert [line["event"] for line in log] == ["prediction_log_unusable"]
    assert str(tmp_path / "file") in log[0]["message"]


def test_a_stop_waits_for_an_absent_store_no_longer_than_it_may(
    start: StartService, object_store: ObjectStoreServer, tmp_path: Path, row: dict[str, Any]
) -> None:
    """What is left stays on the disk, is told, and is handed over by the next process."""
    settings = {
        **object_store.environment,
        "SCORING_LOG_MODE": "sync",
        "SCORING_LOG_FOLDER": str(tmp_path / "wal"),
        "SCORING_LOG_FLUSH_SECONDS": "1800",
        "SCORING_LOG_CLOSE_SECONDS": "1",
    }
    service = start(**settings)
    service.wait_until("/ready", 200)
    _, answer = service.predict(row)
    object_store.stop()
    service.process.send_signal(signal.SIGTERM)
    assert service.stop()[0] == 0
    assert [line["files"] for line in service.events("prediction_log_left_on_disk")] == [1]
    object_store.start()
    again = start(**settings)
    again.wait_until("/ready", 200)
    ids = [prediction["id"] for prediction in answer["predictions"]]
    eventually(lambda: stored(object_store.bucket("predictions")) == Counter(ids), "it is handed over")
    assert again.terminate() == 0
