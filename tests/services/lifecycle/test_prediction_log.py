"""The prediction log is read as it was written: by hour, each id once, labels joined, broken parts named."""

import io
from datetime import UTC, datetime, timedelta

import obstore
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from lifecycle.prediction_log import LABEL_COLUMNS, PredictionLog, hour_prefix, hours, prediction_columns
from lifecycle.registry import StoredModel
from lifecycle.store import ObjectStore

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def put(store: ObjectStore, key: str, table: pa.Table) -> None:
    """Writes a part."""
    file = io.BytesIO()
    pq.write_table(table, file)
    assert store.create(f"{key}.parquet", file.getvalue())


def predictions(ids: list[str], moments: list[datetime], outputs: list[float]) -> pa.Table:
    """A part without features."""
    return pa.table(
        {
            "prediction_id": ids,
            "time": pa.array(moments, pa.timestamp("us", tz="UTC")),
            "output": outputs,
        }
    )


def labels(ids: list[str], moments: list[datetime], values: list[float]) -> pa.Table:
    """A part of labels."""
    return pa.table({"prediction_id": ids, "time": moments, "label": values}, schema=LABEL_COLUMNS)


@pytest.fixture
def log(store: ObjectStore) -> PredictionLog:
    """Two hours of predictions, one of labels; one id is in two parts, as while a compaction is under way."""
    hour, next_hour = (hour_prefix("car-loan", "predictions", NOON + timedelta(hours=h)) for h in (0, 1))
    put(store, f"{hour}/a", predictions(["b", "a"], [NOON + 2 * MINUTE, NOON + MINUTE], [0.2, 0.1]))
    put(store, f"{hour}/b", predictions(["a"], [NOON + MINUTE], [0.1]))
    put(store, f"{next_hour}/a", predictions(["c"], [NOON + 61 * MINUTE], [0.3]))
    put(
        store,
        f"{hour_prefix('car-loan', 'labels', NOON + timedelta(hours=2))}/a",
        labels(["a", "c", "a"], [NOON + 130 * MINUTE, NOON + 131 * MINUTE, NOON + 125 * MINUTE], [0, 1, 1]),
    )
    return PredictionLog(store, "car-loan")


def test_a_window_has_each_prediction_once_in_order_of_time(log: PredictionLog) -> None:
    """From the start, inclusive, to the end, exclusive."""
    whole = log.predictions(NOON, NOON + timedelta(hours=2)).table
    assert whole["prediction_id"].to_pylist() == ["a", "b", "c"]
    part = log.predictions(NOON + MINUTE, NOON + 2 * MINUTE).table
    assert part["prediction_id"].to_pylist() == ["a"]


def test_only_the_wanted_columns_are_read(log: PredictionLog) -> None:
    """The id and the time are always among them."""
    assert log.predictions(NOON, NOON + timedelta(hours=2), []).table.column_names == ["prediction_id", "time"]


def test_the_first_label_wins_and_a_missing_one_is_null(log: PredictionLog) -> None:
    """By the moment it was received."""
    table = log.labelled(NOON, NOON + timedelta(hours=2), until=NOON + timedelta(hours=3)).table
    assert dict(zip(table["prediction_id"].to_pylist(), table["label"].to_pylist(), strict=True)) == {
        "a": 1.0,
        "b": None,
        "c": 1.0,
    }


def test_labels_after_the_limit_are_not_seen(log: PredictionLog) -> None:
    """So that a decision can be repeated as it was made."""
    table = log.labelled(NOON, NOON + timedelta(hours=2), until=NOON + 126 * MINUTE).table
    assert table["label"].to_pylist() == [1.0, None, None]


def test_a_broken_part_is_named_and_the_rest_is_read(store: ObjectStore, log: PredictionLog) -> None:
    """One half-written object does not hide a day."""
    key = f"{hour_prefix('car-loan', 'predictions', NOON)}/broken.parquet"
    store.create(key, b"PAR1 half")
    window = log.predictions(NOON, NOON + timedelta(hours=2))
    assert window.table.num_rows == 3
    assert [part.key for part in window.broken] == [key]


def test_an_empty_log_is_an_empty_table(store: ObjectStore) -> None:
    """With the columns that are always there."""
    log = PredictionLog(store, "car-loan")
    assert log.first_hour() is None
    assert log.labelled(NOON, NOON + MINUTE).table.num_rows == 0


def test_the_first_hour_is_the_oldest(log: PredictionLog) -> None:
    """Of the predictions, not of the labels."""
    assert log.first_hour() == NOON


def test_a_window_meets_the_hours_it_begins_and_ends_in() -> None:
    """The end is exclusive."""
    assert list(hours(NOON + MINUTE, NOON + timedelta(hours=1))) == [NOON]
    assert list(hours(NOON + MINUTE, NOON + 61 * MINUTE)) == [NOON, NOON + timedelta(hours=1)]


def test_columns_follow_the_schema(stored_model: StoredModel) -> None:
    """Numbers, names and truth values keep their types."""
    columns = prediction_columns(stored_model.manifest)
    assert columns.field("feature.car_value").type == pa.float64()
    assert columns.field("feature.salary_range").type == pa.string()
    assert columns.field("feature.repaid_loan_on_prev_car").type == pa.bool_()


def test_deleted_objects_are_gone_and_deleting_twice_is_no_error(
    store: ObjectStore, backend: obstore.store.ObjectStore
) -> None:
    """As compaction does it."""
    store.create("a/b", b"1")
    store.delete("a/b")
    if not isinstance(backend, obstore.store.LocalStore):
        store.delete("a/b")
    assert store.list("a") == []
