"""The prediction log keeps what it acknowledged: whole, once, typed, and merged without loss."""

import asyncio
import errno
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import obstore
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from lifecycle.prediction_log import MOMENT, PredictionLog, merged_sources
from lifecycle.store import ObjectStore, StoredObject, StoreUnavailableError
from obstore.store import MemoryStore
from prometheus_client import CollectorRegistry
from scoring.champion import ServedModel
from scoring.identifiers import new_id, prediction_ids
from scoring.log import segments
from scoring.log.compaction import Compaction
from scoring.log.log import WriteAheadLog
from scoring.log.metrics import LogMetrics
from scoring.log.parts import parquet
from scoring.log.records import MAGIC, framed, payloads
from scoring.log.segments import FolderUnusableError, Segment, SegmentFolder
from scoring.log.settings import LogSettings
from scoring.recording import LabelRecord, LogUnavailableError, ScoredRows

NOW = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)

Rows = Callable[..., ScoredRows]


@pytest.fixture
def rows(model: ServedModel) -> Rows:
    """Makes a request's rows: the manifest's parity rows, over and over."""
    schema = model.manifest.feature_schema
    vectors = [np.array(schema.encode(row.features)) for row in model.manifest.parity]

    def rows(count: int = 1) -> ScoredRows:
        matrix = np.array([vectors[i % len(vectors)] for i in range(count)])
        outputs = model.predictor.predict_rows(matrix.tobytes(), len(matrix))
        ids = [uuid.uuid4().hex for _ in range(count)]
        return ScoredRows(model, "champion", round(NOW.timestamp() * 1e6), ids, matrix.tobytes(), outputs)

    return rows


class Away(ObjectStore):
    """A store that does not answer while `away`."""

    away = False

    def create(self, key: str, data: bytes) -> bool:
        """See ObjectStore."""
        if self.away:
            raise StoreUnavailableError("create", key, OSError("away"))
        return super().create(key, data)


def settings(tmp_path: Path, mode: str = "sync", **others: object) -> LogSettings:
    """Settings for a test."""
    given = {"log_mode": mode, "log_folder": tmp_path / "wal", "log_close_seconds": 5} | others
    return LogSettings(**given)  # type: ignore[arg-type] # as the environment gives them


def open_log(settings: LogSettings, store: ObjectStore, registry: CollectorRegistry | None = None) -> WriteAheadLog:
    """A log with metrics of its own."""
    return WriteAheadLog(settings, store, "car-loan", LogMetrics(registry or CollectorRegistry(), "car-loan"))


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.data())
def test_a_file_cut_anywhere_keeps_every_record_that_is_whole(records: list[bytes], data: st.DataObject) -> None:
    """And gives no record that was not written."""
    file = MAGIC + b"".join(map(framed, records))
    cut = data.draw(st.integers(0, len(file)))
    found = [bytes(payload) for payload in payloads(file[:cut])]
    ends = [len(MAGIC) + sum(8 + len(record) for record in records[: i + 1]) for i in range(len(records))]
    assert found == records[: sum(end <= cut for end in ends)]


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=8), st.data())
def test_a_flipped_bit_ends_the_file_where_it_is(records: list[bytes], data: st.DataObject) -> None:
    """Nothing that differs from what was written is taken for a record."""
    file = bytearray(MAGIC + b"".join(map(framed, records)))
    bit = data.draw(st.integers(0, len(file) * 8 - 1))
    file[bit // 8] ^= 1 << bit % 8
    found = [bytes(payload) for payload in payloads(bytes(file))]
    assert found == records[: len(found)]
    assert len(found) < len(records)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_what_was_written_is_read_once_and_typed(tmp_path: Path, store: ObjectStore, rows: Rows, mode: str) -> None:
    """Features as clients gave them, the output to the last bit, the class by its name."""
    some = rows(7)

    async def use() -> None:
        log = open_log(settings(tmp_path, mode), store)
        waiting = log.write(some)
        assert (waiting is None) == (mode == "async")
        if waiting is not None:
            await waiting
        await log.close()

    asyncio.run(use())
    table = PredictionLog(store, "car-loan").predictions(NOW - DAY, NOW + DAY).table
    found = {row["prediction_id"]: row for row in table.to_pylist()}
    assert sorted(found) == sorted(some.ids)
    manifest = some.model.manifest
    for i, output in enumerate(some.outputs):
        row = found[some.ids[i]]
        assert (row["output"], row["version"], row["role"]) == (output, 1, "champion")
        assert row["predicted"] == manifest.classes[int(output >= 0.5)]
        sent = manifest.parity[i % len(manifest.parity)].features
        assert {name: row[f"feature.{name}"] for name in sent} == sent


def test_files_wait_while_the_store_is_away_and_a_new_process_hands_them_over_once(tmp_path: Path, rows: Rows) -> None:
    """Also when the earlier process had written a part and died before it removed the file."""
    store, some = Away(MemoryStore()), rows(3)

    async def write() -> None:
        log = open_log(settings(tmp_path, log_close_seconds=0), store)
        await (log.write(some) or asyncio.sleep(0))
        await log.close()

    store.away = True
    asyncio.run(write())
    (file,) = (tmp_path / "wal").glob("*.wal")
    kept = file.read_bytes()
    assert store.list("car-loan") == []
    store.away = False

    async def restart() -> None:
        await open_log(settings(tmp_path), store).close()

    for _ in range(2):
        asyncio.run(restart())
        assert list((tmp_path / "wal").glob("*.wal")) == []
        assert len(store.list("car-loan/predictions")) == 1
        file.write_bytes(kept)


def test_a_full_disk_refuses_what_needs_a_promise_and_drops_what_does_not(
    tmp_path: Path, store: ObjectStore, rows: Rows
) -> None:
    """Each drop is counted."""

    async def fill(mode: str) -> float | None:
        registry = CollectorRegistry()
        log = open_log(settings(tmp_path / mode, mode, log_max_disk_mib=1), store, registry)
        waiting = log.write(rows(18_000))
        if waiting is not None:
            with pytest.raises(LogUnavailableError):
                await waiting
        await log.close()
        labels = {"model": "car-loan", "outcome": "dropped"}
        return registry.get_sample_value("scoring_log_records_total", labels)

    assert [asyncio.run(fill(mode)) for mode in ("async", "sync")] == [18_000, 18_000]


@pytest.mark.parametrize("step", [timedelta(hours=3), timedelta(hours=-3)])
def test_a_step_of_the_clock_loses_and_doubles_nothing(
    tmp_path: Path, store: ObjectStore, rows: Rows, monkeypatch: pytest.MonkeyPatch, step: timedelta
) -> None:
    """There and back: each prediction is once in the hour that the clock showed, and no age is negative."""
    registry, wall = CollectorRegistry(), time.time

    async def use() -> None:
        log = open_log(settings(tmp_path), store, registry)
        for moment, some in zip(moments, written, strict=True):
            shift = (moment - NOW).total_seconds()
            monkeypatch.setattr(time, "time", lambda: wall() + shift)  # noqa: B023 - read before it changes
            promise = log.write(some)
            assert promise is not None
            await promise
            lag = registry.get_sample_value("scoring_log_lag_seconds", {"model": "car-loan"})
            assert lag is not None
            assert lag >= 0
        await log.close()

    moments = [NOW, NOW + step, NOW]
    written = [rows(5) for _ in moments]
    for moment, some in zip(moments, written, strict=True):
        some.time_us = round(moment.timestamp() * 1e6)
    asyncio.run(use())
    for moment, wanted in ((NOW, [*written[0].ids, *written[2].ids]), (NOW + step, written[1].ids)):
        hour = moment.replace(minute=0)
        table = PredictionLog(store, "car-loan").predictions(hour, hour + timedelta(hours=1)).table
        assert sorted(table["prediction_id"].to_pylist()) == sorted(wanted)


def test_the_queue_is_bounded(tmp_path: Path, store: ObjectStore, rows: Rows) -> None:
    """What does not fit is dropped and counted, or refused."""

    async def overflow() -> None:
        registry = CollectorRegistry()
        log = open_log(settings(tmp_path, "async", log_queue_records=5), store, registry)
        assert log.write(rows(6)) is None
        labels = {"model": "car-loan", "outcome": "dropped"}
        assert registry.get_sample_value("scoring_log_records_total", labels) == 6
        await log.close()

    asyncio.run(overflow())


def test_the_first_label_counts_and_a_differing_one_is_kept(tmp_path: Path, store: ObjectStore) -> None:
    """The same again is no news."""
    id_ = uuid.uuid4().hex

    async def label() -> Sequence[Sequence[str]]:
        log = open_log(settings(tmp_path), store)
        time_us = round(NOW.timestamp() * 1e6)
        answers = [list(await log.write_labels([LabelRecord(id_, time_us + i, v)])) for i, v in enumerate([1, 1, 0])]
        await log.close()
        return answers

    assert asyncio.run(label()) == [["accepted"], ["duplicate"], ["conflict"]]
    reader = PredictionLog(store, "car-loan")
    assert reader.labels(NOW - DAY, NOW + DAY).table["label"].to_pylist() == [1.0]
    assert reader.conflicts(NOW - DAY, NOW + DAY)["label"].to_pylist() == [0.0]


def test_sampling_keeps_about_its_share(tmp_path: Path, store: ObjectStore, rows: Rows) -> None:
    """Of the ids that one process gives, which begin alike; what is left out is counted."""
    registry = CollectorRegistry()

    async def sample() -> None:
        log = open_log(settings(tmp_path, log_sample_rate=0.5), store, registry)
        for _ in range(10):
            some = msgspec.structs.replace(rows(100), ids=prediction_ids(new_id(), 100))
            await (log.write(some) or asyncio.sleep(0))
        await log.close()

    asyncio.run(sample())
    kept = PredictionLog(store, "car-loan").predictions(NOW - DAY, NOW + DAY).table.num_rows
    out = registry.get_sample_value("scoring_log_records_total", {"model": "car-loan", "outcome": "sampled_out"})
    assert 400 < kept < 600
    assert out == 1000 - kept


def test_a_closed_hour_is_merged_without_loss(
    tmp_path: Path, store: ObjectStore, backend: obstore.store.ObjectStore, rows: Rows
) -> None:
    """Readers see each id once before, between and after; the small parts go away later; a replayed one is ignored."""
    ids: list[str] = []

    async def write() -> None:
        log = open_log(settings(tmp_path, log_part_rows=1), store)
        for _ in range(6):
            some = rows(2)
            ids.extend(some.ids)
            await (log.write(some) or asyncio.sleep(0))
        await log.close()
        await open_log(settings(tmp_path), store).close()

    asyncio.run(write())

    def read() -> list[str]:
        table = PredictionLog(store, "car-loan").predictions(NOW - DAY, NOW + DAY).table
        return sorted(table["prediction_id"].to_pylist())

    assert read() == sorted(ids)
    small = [object_.key for object_ in store.list("car-loan/predictions")]
    assert len(small) == 6
    first = bytes(obstore.get(backend, small[0]).bytes())
    for _ in range(2):  # the second run finds nothing to do
        Compaction(store, "car-loan").compact(NOW + timedelta(hours=2))
        assert read() == sorted(ids)
    assert len(store.list("car-loan/predictions")) == 7
    # Whatever was modified just now is old enough by then; the hour is still looked at.
    later = datetime.now(UTC) + DAY
    compaction = Compaction(store, "car-loan")
    compaction._hour(small[0].rsplit("/", 1)[0], later)
    assert len(store.list("car-loan/predictions")) == 1
    store.create(small[0], first)
    assert read() == sorted(ids)


def test_of_two_pods_that_merge_an_hour_at_once_one_wins(tmp_path: Path, rows: Rows) -> None:
    """Both have read the same parts when they come to write; nothing is lost or doubled, one merged part is there."""
    both_read = threading.Barrier(2, timeout=30)
    created: list[bool] = []

    class Slow(ObjectStore):
        def create(self, key: str, data: bytes) -> bool:
            if "merged-" in key:
                both_read.wait()
                created.append(super().create(key, data))
                return created[-1]
            return super().create(key, data)

    store = Slow(MemoryStore())
    ids: list[str] = []

    async def write() -> None:
        log = open_log(settings(tmp_path, log_part_rows=1), store)
        for _ in range(4):
            some = rows(2)
            ids.extend(some.ids)
            await (log.write(some) or asyncio.sleep(0))
        await log.close()

    asyncio.run(write())
    with ThreadPoolExecutor() as pods:
        for run in [pods.submit(Compaction(store, "car-loan").compact, NOW + timedelta(hours=2)) for _ in "ab"]:
            run.result()
    assert sorted(created) == [False, True]
    assert len(store.list("car-loan/predictions")) == 5
    table = PredictionLog(store, "car-loan").predictions(NOW - DAY, NOW + DAY).table
    assert sorted(table["prediction_id"].to_pylist()) == sorted(ids)


def test_parts_of_two_forms_are_merged_apart(store: ObjectStore) -> None:
    """As where a version with another order of features began to serve within the hour; the first may be alone."""
    hour = "car-loan/predictions/date=2026-01-31/hour=10"
    for number, columns in enumerate([("b", "a"), *[("a", "b")] * 4]):
        moments = pa.array([NOW - timedelta(hours=2)], MOMENT)
        table = pa.table({"prediction_id": [f"{number:032x}"], "time": moments} | {column: [1.0] for column in columns})
        store.create(f"{hour}/{number}.parquet", parquet(table.schema, [table]))
    Compaction(store, "car-loan").compact(NOW)
    merged = [object_.key for object_ in store.list(hour) if "merged-" in object_.key]
    assert [len(merged_sources(store, key)) for key in merged] == [4]
    found = PredictionLog(store, "car-loan").predictions(NOW - DAY, NOW + DAY).table
    assert found["prediction_id"].to_pylist() == [f"{number:032x}" for number in range(5)]


def test_a_merge_ends_when_the_process_does() -> None:
    """A process that stops waits for its threads."""
    seen: list[str] = []

    class Counting(ObjectStore):
        def list(self, prefix: str) -> list[StoredObject]:
            seen.append(prefix)
            compaction.stop()
            return super().list(prefix)

    compaction = Compaction(Counting(MemoryStore()), "car-loan")
    compaction.compact(NOW)
    assert len(seen) == 1


def test_what_went_to_the_store_makes_room(tmp_path: Path) -> None:
    """The bound is on what lies on the disk now; what an earlier process left counts too."""
    some = bytes(600 * 1024)
    folder = SegmentFolder(tmp_path, 1)
    folder.append(some, 1, sync=False)
    folder.release()
    folder = SegmentFolder(tmp_path, 1)
    with pytest.raises(OSError, match="SCORING_LOG_MAX_DISK_MIB"):
        folder.append(some, 1, sync=False)
    for _ in range(3):
        for path in folder.complete():
            folder.remove(path)
        folder.append(some, 1, sync=False)
        with pytest.raises(OSError, match="SCORING_LOG_MAX_DISK_MIB"):
            folder.append(some, 1, sync=False)
        folder.seal()
    folder.release()


def test_models_that_take_turns_are_told_apart(tmp_path: Path, store: ObjectStore, rows: Rows) -> None:
    """As while one is swapped: each row is kept under the version that answered it."""
    first = rows(2)
    manifest = first.model.manifest.model_copy(update={"version": 2})
    second = msgspec.structs.replace(rows(3), model=ServedModel(manifest, first.model.predictor))
    third = msgspec.structs.replace(rows(1), ids=[uuid.uuid4().hex])

    async def use() -> None:
        log = open_log(settings(tmp_path, "async"), store)
        for some in (first, second, third):
            log.write(some)
        await log.close()

    asyncio.run(use())
    table = PredictionLog(store, "car-loan").predictions(NOW - DAY, NOW + DAY).table
    found = dict(zip(table["prediction_id"].to_pylist(), table["version"].to_pylist(), strict=True))
    assert found == dict.fromkeys([*first.ids, *third.ids], 1) | dict.fromkeys(second.ids, 2)


def test_many_rows_are_one_part_whatever_the_records(tmp_path: Path, store: ObjectStore, rows: Rows) -> None:
    """Rows that are turned into columns some thousands at a time come out whole, in one object; numbers as numbers."""
    given = [rows(count) for count in (1, 5000, 3, 4095, 1)]

    async def use() -> None:
        log = open_log(settings(tmp_path, log_max_disk_mib=64), store)
        for some in given:
            await (log.write(some) or asyncio.sleep(0))
        await log.close()

    asyncio.run(use())
    (part,) = store.list("car-loan/predictions")
    table = PredictionLog(store, "car-loan").predictions(NOW - DAY, NOW + DAY).table
    expected = {id_: output for some in given for id_, output in zip(some.ids, some.outputs, strict=True)}
    assert dict(zip(table["prediction_id"].to_pylist(), table["output"].to_pylist(), strict=True)) == expected
    with store.open_ranges(part.key) as file:
        group = pq.read_metadata(file).row_group(0)
    encodings = {group.column(i).path_in_schema: group.column(i).encodings for i in range(group.num_columns)}
    assert "BYTE_STREAM_SPLIT" in encodings["output"]
    assert "RLE_DICTIONARY" in encodings["predicted"]
    assert not any("DICTIONARY" in encoding for encoding in encodings["prediction_id"])


def test_a_file_that_is_begun_is_never_taken_for_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even between its creation and the moment that the folder knows of it: it would be handed over and removed."""
    folder = SegmentFolder(tmp_path, 1)
    seen: list[list[Path]] = []

    def begin(path: Path) -> Segment:
        segment = Segment(path)
        seen.append(folder.complete())
        return segment

    monkeypatch.setattr(segments, "Segment", begin)
    folder.append(b"x", 1, sync=False)
    folder.seal()
    folder.append(b"y", 1, sync=False)
    assert [len(paths) for paths in seen] == [0, 1]
    assert len(folder.complete()) == 1
    folder.release()


def test_a_file_begun_while_the_folder_is_listed_is_not_complete(tmp_path: Path) -> None:
    """Whatever was being written when the listing began."""
    folder = SegmentFolder(tmp_path, 1)
    listed = Path.glob

    def slow(self: Path, pattern: str) -> list[Path]:
        folder.append(b"x", 1, sync=False)
        return list(listed(self, pattern))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "glob", slow)
        assert folder.complete() == []
    folder.release()


def test_what_is_stored_is_counted_once_however_often_a_file_is_handed_over(tmp_path: Path, rows: Rows) -> None:
    """Here the second part of a file, of another hour, fails at first."""

    class Flaky(ObjectStore):
        failures = 1

        def create(self, key: str, data: bytes) -> bool:
            if "hour=13" in key and self.failures:
                self.failures -= 1
                raise StoreUnavailableError("create", key, OSError("away"))
            return super().create(key, data)

    registry = CollectorRegistry()
    store = Flaky(MemoryStore())

    async def write() -> None:
        log = open_log(settings(tmp_path), store, registry)
        early = rows(3)
        for some in (early, msgspec.structs.replace(rows(2), time_us=early.time_us + 3_600_000_000)):
            await (log.write(some) or asyncio.sleep(0))
        await log.close()

    asyncio.run(write())
    labels = {"model": "car-loan", "outcome": "stored"}
    assert registry.get_sample_value("scoring_log_records_total", labels) == 5
    assert len(store.list("car-loan/predictions")) == 2


def test_handing_over_ends_when_the_time_is_up(tmp_path: Path, rows: Rows) -> None:
    """Between two files; what is left is told, and stays."""

    class Slow(ObjectStore):
        def create(self, key: str, data: bytes) -> bool:
            time.sleep(0.2)
            return super().create(key, data)

    store = Slow(MemoryStore())

    async def write() -> None:
        log = open_log(settings(tmp_path, log_part_rows=1, log_close_seconds=0.1), store)
        for _ in range(3):
            await (log.write(rows(1)) or asyncio.sleep(0))
        await log.close()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(write())
    assert [(line["event"], line.get("files", line.get("files_left"))) for line in lines] == [
        ("prediction_log_left_on_disk", 2),
        ("prediction_log_closed", 2),
    ]
    assert len(list((tmp_path / "wal").glob("*.wal"))) == 2


def test_a_disk_that_fails_at_completing_a_file_ends_neither_the_thread_nor_a_request(
    tmp_path: Path, store: ObjectStore, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted, and the next prediction is kept."""
    registry = CollectorRegistry()
    close, failed = Segment.close, threading.Event()

    def fail_once(segment: Segment) -> None:
        close(segment)
        if not failed.is_set():
            failed.set()
            raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(Segment, "close", fail_once)

    async def write() -> None:
        log = open_log(settings(tmp_path, log_flush_seconds=0.01), store, registry)
        for _ in range(2):
            async with asyncio.timeout(30):
                await (log.write(rows(1)) or asyncio.sleep(0))
                await asyncio.to_thread(failed.wait)
        await log.close()

    asyncio.run(write())
    labels = {"model": "car-loan", "cause": "disk"}
    assert registry.get_sample_value("scoring_log_failures_total", labels) == 1
    assert PredictionLog(store, "car-loan").predictions(NOW - DAY, NOW + DAY).table.num_rows == 2


def test_labels_that_differ_at_the_same_moment_are_told_apart(tmp_path: Path, store: ObjectStore) -> None:
    """Two requests under way together: one is accepted, the other told that it conflicts."""
    id_ = uuid.uuid4().hex

    async def label() -> list[Sequence[str]]:
        log = open_log(settings(tmp_path), store)
        time_us = round(NOW.timestamp() * 1e6)
        answers = await asyncio.gather(*(log.write_labels([LabelRecord(id_, time_us + i, i)]) for i in (0, 1)))
        await log.close()
        return list(answers)

    assert asyncio.run(label()) == [["accepted"], ["conflict"]]


def test_labels_that_differ_at_two_pods_are_both_kept(tmp_path: Path, store: ObjectStore) -> None:
    """A pod knows of its own alone, so both are accepted; for the reader the first one counts, the other conflicts.

    So it is with a pod that started anew.
    """
    id_ = uuid.uuid4().hex

    async def label(pod: str, after: int, label: float) -> Sequence[str]:
        log = open_log(settings(tmp_path / pod), store)
        outcomes = await log.write_labels([LabelRecord(id_, round(NOW.timestamp() * 1e6) + after, label)])
        await log.close()
        return outcomes

    answers = [asyncio.run(label(*given)) for given in (("b", 2, 0.0), ("a", 1, 1.0), ("a", 3, 0.0))]
    assert answers == [["accepted"]] * 3
    reader = PredictionLog(store, "car-loan")
    assert reader.labels(NOW - DAY, NOW + DAY).table["label"].to_pylist() == [1.0]
    assert reader.conflicts(NOW - DAY, NOW + DAY)["label"].to_pylist() == [0.0, 0.0]


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    """A second is told what to do."""
    folder = SegmentFolder(tmp_path, 1)
    with pytest.raises(FolderUnusableError, match="SCORING_LOG_FOLDER"):
        SegmentFolder(tmp_path, 1)
    folder.release()
    SegmentFolder(tmp_path, 1).release()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """With the reason and the setting."""
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderUnusableError, match=r"file/wal cannot be used: Not a directory; SCORING_LOG_FOLDER"):
        SegmentFolder(tmp_path / "file/wal", 1)
