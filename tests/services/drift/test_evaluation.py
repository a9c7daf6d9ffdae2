"""Evaluations over a log as scoring writes it: what is found, stated and left aside. NannyML takes seconds to load."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from drift.adapter import METRICS
from drift.findings import CONDITIONS, Measure
from drift.measurement import Measurement
from drift.settings import Bounds
from lifecycle.prediction_log import PredictionLog, Window
from lifecycle.registry import ModelRefusedError
from lifecycle.store import ObjectStore, StoreUnavailableError
from tests.services.drift.replay import START, Replay, rows, shifted

pytestmark = pytest.mark.engine


@pytest.fixture
def served(replay: Replay) -> Replay:
    """A champion with 5,000 rows of reference: chunks have 500."""
    replay.publish(rows(5000))
    return replay


def _with_nulls(table: Any, column: str, share: float) -> Any:  # noqa: ANN401 - tables
    values = table[column].to_pylist()
    every = int(1 / share)
    kept = [None if place % every == 0 else value for place, value in enumerate(values)]
    return shifted(table, column, pa.array(kept, table[column].type))


def test_without_a_champion_that_is_what_is_said(replay: Replay) -> None:
    """And nothing else is looked for."""
    assert replay.evaluate().conditions == {"no_champion"}


@pytest.mark.parametrize("reference_rows", [None, 900])
def test_without_a_reference_that_is_what_is_said(replay: Replay, reference_rows: int | None) -> None:
    """Too few rows of it are no reference either: ten chunks of a hundred are the least."""
    replay.publish(None if reference_rows is None else rows(reference_rows))
    replay.predict(rows(1000, 1))
    assert replay.evaluate().conditions == {"no_reference"}
    assert replay.measures() == []


def test_a_reference_that_is_not_the_manifests_is_refused(served: Replay) -> None:
    """What was swapped is no yardstick."""
    path = served.folder / "loans/versions/00000001/reference.parquet"
    path.write_bytes(path.read_bytes()[:-8] + b"tampered")
    with pytest.raises(ModelRefusedError, match="reference"):
        served.evaluate()


def test_no_data_is_told_apart_from_no_drift_and_from_too_few_rows(served: Replay) -> None:
    """Each of the three looks different."""
    assert served.evaluate().conditions == {"no_data"}
    served.predict(rows(499, 1))
    assert served.evaluate().conditions == {"too_few_rows"}
    served.predict(rows(600, 2))
    outcome = served.evaluate()
    assert outcome.conditions == {"no_labels"}
    assert outcome.rows == 1000
    assert served.measures()


def test_a_closed_chunk_is_never_evaluated_twice(served: Replay) -> None:
    """And those that come later go on from it, as if all had been there at once."""
    table = rows(2000, 1)
    served.predict(table.slice(0, 1100))
    assert served.evaluate().rows == 1000
    assert served.evaluate().rows == 0
    served.predict(table.slice(1100))
    assert served.evaluate().rows == 1000
    at_once = Replay(served.folder.parent / "at-once")
    at_once.publish(rows(5000))
    at_once.predict(table)
    at_once.evaluate()
    key = ("chunk", "family", "column", "method", "value", "upper_threshold", "alert")
    both = [sorted(tuple(str(row[name]) for name in key) for row in one.measures()) for one in (served, at_once)]
    assert both[0] == both[1]


def test_no_more_is_held_than_an_hour_and_the_chunks_evaluated_at_once(
    served: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the window: what waits is read by the hour, and measured as soon as it is enough."""
    served.options = {"chunks_at_once": 2}
    served.predict(rows(12_000, 1))  # 3,600 an hour
    read: list[int] = []
    measured: list[int] = []
    predictions, measure = PredictionLog.predictions, Measurement.measure

    def reading(log: PredictionLog, *window: Any, **options: Any) -> Window:  # noqa: ANN401 - as the log has it
        found = predictions(log, *window, **options)
        read.append(found.table.num_rows)
        return found

    def measuring(measurement: Measurement, frame: Any, sizes: Sequence[int]) -> list[Measure]:  # noqa: ANN401 - a frame
        measured.append(len(frame))
        return measure(measurement, frame, sizes)

    monkeypatch.setattr(PredictionLog, "predictions", reading)
    monkeypatch.setattr(Measurement, "measure", measuring)
    assert served.evaluate().rows == 12_000
    assert max(read) == 3600
    assert measured == [1000] * 12


def test_an_evaluation_that_breaks_off_is_finished_by_the_next(served: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any number of writes: no chunk is missing or doubled."""
    table = rows(3000, 1)
    served.options = {"chunks_at_once": 1}
    served.predict(table)
    served.label(table)
    create = ObjectStore.create
    left = 0

    def dies(store: ObjectStore, key: str, data: bytes) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoreUnavailableError("create", key, OSError("away"))
        return create(store, key, data)

    monkeypatch.setattr(ObjectStore, "create", dies)
    broken_off = 0
    for writes in range(100):
        left = 3 + writes % 4
        try:
            served.evaluate()
        except StoreUnavailableError:
            broken_off += 1
            continue
        break
    assert broken_off >= 2
    values = served.found("univariate", "age", "jensen_shannon")
    assert [row["chunk"] for row in values] == list(range(6))
    assert [row["chunk"] for row in served.found("realized_performance", "", "roc_auc")] == list(range(6))


def test_a_new_champion_is_measured_against_its_own_reference(served: Replay) -> None:
    """By its own predictions alone; the former one's results stay."""
    served.predict(rows(600, 1))
    served.evaluate()
    served.publish(rows(5000, 5, version=2))
    assert served.evaluate().conditions == {"no_data"}
    served.predict(rows(600, 2, version=2))
    assert served.evaluate().rows == 500
    assert {row["rows"] for row in served.measures(2)} == {500}
    assert served.measures(1)


def test_what_others_than_the_champion_answered_is_not_looked_at(served: Replay) -> None:
    """A shadow's predictions are nobody's answer."""
    table = rows(600, 1)
    served.predict(shifted(table, "role", pa.array(["shadow"] * 600)))
    assert served.evaluate().conditions == {"no_data"}


def test_late_labels_update_the_chunks_they_belong_to(served: Replay) -> None:
    """And no others; the share that is missing goes down."""
    table = rows(1000, 1)
    served.predict(table)
    assert served.evaluate().targets_missing == 1.0
    served.label(table.slice(0, 300))
    assert served.evaluate().targets_missing == pytest.approx(0.7)
    (first,) = served.found("realized_performance", "", "accuracy")
    answered = (table["output"].to_numpy()[:300] >= 0.5) == table["label"].to_numpy()[:300]
    assert first["value"] == pytest.approx(answered.mean(), abs=1e-12)
    assert (first["chunk"], first["rows"]) == (0, 500)
    served.label(table.slice(300))
    outcome = served.evaluate()
    assert (outcome.targets_missing, outcome.conditions) == (0.0, set())
    both = served.found("realized_performance", "", "accuracy")
    answered = (table["output"].to_numpy() >= 0.5) == table["label"].to_numpy()
    expected = [answered[:500].mean(), answered[500:].mean()]
    assert [row["value"] for row in both] == pytest.approx(expected, abs=1e-12)


def test_too_few_labels_are_counted_and_not_measured(served: Replay) -> None:
    """Three labels of five hundred would be an alert by chance."""
    table = rows(500, 1)
    served.predict(table)
    served.label(table.slice(0, 30))
    assert served.evaluate().targets_missing == pytest.approx(0.94)
    assert served.found("realized_performance", "", "accuracy") == []


@pytest.mark.parametrize("at_once", [1, 1_000_000])
def test_of_several_labels_the_first_counts(served: Replay, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Whether the others came in its hour or in another, and whether hours are looked at together or apart."""
    monkeypatch.setattr("drift.labels._LABELS_AT_ONCE", at_once)
    table = rows(500, 1)
    served.predict(table)
    right = (table["output"].to_numpy() >= 0.5).astype(float)
    wrong = shifted(table, "label", pa.array(1 - right))
    served.label(shifted(table, "label", pa.array(right)), received=START + timedelta(hours=1))
    served.label(wrong, received=START + timedelta(hours=1, minutes=1))
    served.label(wrong, received=START + timedelta(hours=2))
    served.evaluate()
    assert [row["value"] for row in served.found("realized_performance", "", "accuracy")] == [1.0]


def test_labels_that_were_looked_at_are_not_read_again(served: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation with nothing new costs the same whatever has come before."""
    table = rows(1000, 1)
    served.predict(table)
    served.label(table.slice(0, 900), received=START + timedelta(hours=1))
    served.evaluate()
    served.label(table.slice(900, 50))
    served.evaluate()
    read: list[str] = []
    open_ranges = ObjectStore.open_ranges

    def noting(store: ObjectStore, key: str) -> Any:  # noqa: ANN401 - a file
        read.append(key)
        return open_ranges(store, key)

    monkeypatch.setattr(ObjectStore, "open_ranges", noting)
    served.evaluate()
    assert [key for key in read if "/labels/" in key] == []
    # The hours since the last chunk, for new ones; once more for labels would be twice.
    assert len(read) == len(set(read))


def test_rows_stored_after_their_chunk_was_closed_are_counted(served: Replay) -> None:
    """They change no closed chunk; realized performance has them."""
    table = rows(1000, 1)
    served.predict(table.take(pa.array([place for place in range(1000) if place % 100])))
    served.evaluate()
    before = served.measures()
    served.predict(table.take(pa.array([place for place in range(1000) if place % 100 == 0])))
    served.label(table)
    outcome = served.evaluate()
    assert outcome.rows == 0
    assert outcome.late_rows == 5  # of rows 0 to 504; row 0 lies before the chunk
    unlabelled = [row for row in served.measures() if row["family"] != "realized_performance"]
    assert unlabelled == before


@pytest.mark.parametrize(
    ("change", "foreign"),
    [
        (lambda table: table.drop_columns(["feature.age"]), "absent"),
        (
            lambda table: table.rename_columns([name.replace("age", "years") for name in table.column_names]),
            "absent",
        ),
        (lambda table: shifted(table, "feature.age", pa.array(["old"] * len(table))), "string instead of double"),
        (lambda table: shifted(table, "feature.age", pa.array([True] * len(table))), "bool instead of double"),
        (lambda table: shifted(table, "feature.age", pa.nulls(len(table), pa.float64())), None),
        (lambda table: shifted(table, "feature.age", pa.array(np.full(len(table), np.nan))), None),
        (lambda table: shifted(table, "feature.age", pa.array(np.full(len(table), np.inf))), None),
    ],
    ids=["missing", "renamed", "text", "boolean", "all-null", "nan", "infinite"],
)
def test_a_column_that_is_not_there_is_named_and_the_rest_evaluated(
    served: Replay, change: Callable[[Any], Any], foreign: str | None
) -> None:
    """Even where other parts of the window have it as it should be."""
    table = rows(1500, 1)
    served.predict(table.slice(0, 500))
    served.predict(change(table.slice(500)))
    outcome = served.evaluate()
    assert outcome.failures == {}
    missing = served.found("data_quality", "age", "missing")
    assert [(row["value"], row["alert"]) for row in missing] == [(0.0, False), (1.0, True), (1.0, True)]
    assert outcome.foreign == ({} if foreign is None else {"feature.age": foreign})
    others = served.found("univariate", "income", "jensen_shannon")
    assert [row["alert"] for row in others] == [False] * 3
    assert len(served.found("estimated_performance", "", "roc_auc")) == 3
    assert len(served.found("multivariate", "", "pca_reconstruction_error")) == 3


def test_a_constant_column_is_drift_of_that_column_alone(served: Replay) -> None:
    """And breaks no calculation over all columns."""
    table = rows(1000, 1)
    served.predict(shifted(table, "feature.age", pa.array(np.full(1000, 0.25))))
    outcome = served.evaluate()
    assert outcome.failures == {}
    assert [row["alert"] for row in served.found("univariate", "age", "jensen_shannon")] == [True, True]
    assert [row["alert"] for row in served.found("univariate", "income", "jensen_shannon")] == [False, False]


@pytest.mark.parametrize("values", [np.full(5000, 0.25), np.full(5000, np.nan)], ids=["constant", "all-null"])
def test_a_column_that_says_nothing_in_the_reference_keeps_no_other_from_being_measured(
    replay: Replay,
    values: Any,  # noqa: ANN401 - an array
) -> None:
    """A feature that was not there yet when the model was trained."""
    replay.publish(shifted(rows(5000), "feature.age", pa.array(values)))
    replay.predict(rows(500, 1))
    outcome = replay.evaluate()
    assert all("age" in name for name in outcome.failed)
    assert replay.found("univariate", "income", "jensen_shannon")
    assert replay.found("estimated_performance", "", "roc_auc")
    assert replay.found("multivariate", "", "pca_reconstruction_error")


def test_some_missing_unseen_and_out_of_range_values_are_findings(served: Replay) -> None:
    """Shares of the chunk, beyond what the reference explains."""
    table = _with_nulls(rows(1000, 1), "feature.income", 0.1)
    age = table["feature.age"].to_numpy().copy()
    age[::20] = 1e6
    table = shifted(table, "feature.age", pa.array(age))
    colours = ["purple" if place % 5 == 0 else "red" for place in range(1000)]
    served.predict(shifted(table, "feature.colour", pa.array(colours)))
    assert served.evaluate().failures == {}
    for column, method, share in (
        ("income", "missing", 0.1),
        ("age", "out_of_range", 0.05),
        ("colour", "unseen", 0.2),
    ):
        found = served.found("data_quality", column, method)
        assert [(row["value"], row["alert"]) for row in found] == [(pytest.approx(share), True)] * 2
    assert [row["alert"] for row in served.found("data_quality", "owner", "missing")] == [False, False]


def test_one_value_out_of_range_in_a_chunk_is_no_finding(served: Replay) -> None:
    """Every chunk in twenty has a new extreme."""
    table = rows(500, 1)
    age = table["feature.age"].to_numpy().copy()
    age[7] = 11.0
    served.predict(shifted(table, "feature.age", pa.array(age)))
    served.evaluate()
    (found,) = served.found("data_quality", "age", "out_of_range")
    assert (found["value"], found["alert"]) == (pytest.approx(0.002), False)


def test_labels_of_one_class_are_said_and_the_rest_goes_on(served: Replay) -> None:
    """An area under the curve does not exist; accuracy does."""
    table = rows(500, 1)
    served.predict(table)
    served.label(shifted(table, "label", pa.array(np.ones(500))))
    outcome = served.evaluate()
    assert "one_class" in outcome.conditions
    (area,) = served.found("realized_performance", "", "roc_auc")
    assert (area["value"], area["alert"]) == (None, False)
    assert served.found("realized_performance", "", "accuracy")[0]["value"] is not None


def test_a_reference_of_one_class_is_said_and_drift_goes_on(replay: Replay) -> None:
    """Performance has nothing to be measured by."""
    replay.publish(shifted(rows(5000), "label", pa.array(np.zeros(5000))))
    replay.predict(rows(500, 1))
    outcome = replay.evaluate()
    assert "one_class" in outcome.conditions
    assert {row["family"] for row in replay.measures()} == {"univariate", "multivariate", "data_quality"}


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "page", "no-id"])
def test_a_broken_part_is_named_and_left_aside(served: Replay, damage: str) -> None:
    """The window goes on without it."""
    paths = served.predict(rows(1500, 1), part_rows=500)
    data = paths[1].read_bytes()
    if damage == "no-id":
        pq.write_table(pa.table({"time": pa.array([START])}), paths[1])
    else:
        damaged = {"cut": data[: len(data) // 2], "empty": b"", "text": b"not Parquet, whatever it is called"}
        torn = data[:40] + bytes(byte ^ 0xFF for byte in data[40:4000]) + data[4000:]
        paths[1].write_bytes(damaged.get(damage, torn))
    outcome = served.evaluate()
    assert outcome.conditions == {"broken_parts", "no_labels"}
    (key,) = outcome.broken
    assert Path(key).name == paths[1].name
    assert outcome.rows == 1000


def test_chunks_of_hours_that_have_too_few_rows_are_stored_and_not_measured(served: Replay) -> None:
    """They are said, and not looked at again."""
    served.options = {"chunk_hours": 1, "least_rows": 500}
    served.predict(rows(4000, 1))  # 3,600 in the first hour
    outcome = served.evaluate()
    assert (outcome.rows, outcome.conditions) == (3600, {"too_few_rows", "no_labels"})
    assert served.results().newest() == 1
    assert {row["chunk"] for row in served.measures()} == {0}
    assert served.evaluate().rows == 0


@pytest.mark.parametrize("objective", ["multiclass", "regression", "ranking"])
def test_every_objective_is_measured_as_far_as_it_can_be(tmp_path: Path, objective: Any) -> None:  # noqa: ANN401 - one of the names
    """Classes by CBPE, numbers by DLE, a ranking by its inputs and outputs alone."""
    replay = Replay(tmp_path / "store", objective)
    kind: Any = "regression" if objective == "ranking" else objective
    replay.publish(rows(5000, objective=kind))
    table = rows(1000, 1, objective=kind)
    replay.predict(table)
    replay.label(table)
    outcome = replay.evaluate()
    assert outcome.failures == {}
    assert ("no_estimator" in outcome.conditions) == (objective == "ranking")
    for family in ("estimated_performance", "realized_performance"):
        found = {row["method"] for row in replay.measures() if row["family"] == family and row["value"] is not None}
        assert found == set(METRICS.get(objective, ()))
    assert {row["column"] for row in replay.measures() if row["family"] == "univariate"} >= {"age", "colour"}


def test_methods_and_thresholds_are_those_of_the_settings(replay: Replay) -> None:
    """By column, by method, and the classifier where it is asked for."""
    served = replay
    served.publish(rows(1000))
    served.options = {
        "column_methods": {"age": "wasserstein"},
        "domain_classifier": True,
        "thresholds": {"wasserstein": Bounds(upper=0.0), "roc_auc": Bounds(lower=0.99)},
    }
    served.predict(rows(100, 1))
    served.evaluate()
    (age,) = served.found("univariate", "age", "wasserstein")
    assert (age["upper_threshold"], age["lower_threshold"], age["alert"]) == (0.0, None, True)
    (area,) = served.found("estimated_performance", "", "roc_auc")
    assert (area["lower_threshold"], area["alert"]) == (0.99, True)
    (classifier,) = served.found("multivariate", "", "domain_classifier_auroc")
    assert 0.2 < classifier["value"] < 0.8


def test_distributions_of_the_newest_chunk_are_kept(served: Replay) -> None:
    """Shares of reference and chunk add up to one each, in every column and the output."""
    served.predict(_with_nulls(rows(1000, 1), "feature.income", 0.1))
    served.evaluate()
    table = served.results().distributions()
    assert table is not None
    assert set(table["chunk"].to_pylist()) == {1}
    shares = table.group_by("column").aggregate([("reference", "sum"), ("now", "sum")]).to_pylist()
    assert {row["column"] for row in shares} == {"age", "income", "colour", "owner", "output"}
    for row in shares:
        assert (row["reference_sum"], row["now_sum"]) == (pytest.approx(1.0), pytest.approx(1.0))


def test_every_condition_can_be_met() -> None:
    """The list is the contract of the metrics; `store_unavailable` is met in `test_process.py`."""
    assert set(CONDITIONS) == {
        "no_champion", "no_reference", "no_data", "too_few_rows", "one_class", "no_estimator", "no_labels",
        "store_unavailable", "broken_parts",
    }  # fmt: skip
