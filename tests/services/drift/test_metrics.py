"""What Prometheus reads of drift."""

from datetime import UTC, datetime
from typing import Any

from drift.findings import CAUSES, CONDITIONS
from drift.metrics import Metrics
from prometheus_client import CollectorRegistry

_END = datetime(2026, 1, 1, tzinfo=UTC)


def _row(column: str, value: float | None, *, alert: bool = False) -> dict[str, Any]:
    thresholds = {"lower_threshold": None, "upper_threshold": 0.1}
    of_chunk = {"family": "univariate", "column": column, "method": "js", "end": str(_END)}
    return {**of_chunk, "value": value, "alert": alert, **thresholds}


def _samples(registry: CollectorRegistry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return _samples(metrics.registry).get((name, frozenset(labels.items())))


def test_the_newest_chunk_takes_the_place_of_the_one_before() -> None:
    """A column that a new champion does not have leaves no alert behind."""
    metrics = Metrics(["m"])
    metrics.show("m", [_row("age", 0.2, alert=True), _row("income", 0.0)], None)
    labels = {"model": "m", "family": "univariate", "method": "js"}
    assert _value(metrics, "drift_alert", column="age", **labels) == 1.0
    metrics.show("m", [_row("income", 0.3, alert=True)], None)
    assert _value(metrics, "drift_alert", column="age", **labels) is None
    assert _value(metrics, "drift_value", column="income", **labels) == 0.3
    assert _value(metrics, "drift_upper_threshold", column="income", **labels) == 0.1
    assert _value(metrics, "drift_lower_threshold", column="income", **labels) is None
    assert _value(metrics, "drift_newest_chunk_timestamp_seconds", model="m") == _END.timestamp()


def test_a_value_that_could_not_be_computed_is_absent_and_no_alert() -> None:
    """No number is neither zero nor drift."""
    metrics = Metrics(["m"])
    metrics.show("m", [_row("age", None)], None)
    labels = {"model": "m", "family": "univariate", "method": "js", "column": "age"}
    assert _value(metrics, "drift_value", **labels) is None
    assert _value(metrics, "drift_alert", **labels) == 0.0


def test_no_data_is_told_apart_from_no_drift() -> None:
    """Without data no series says zero, and a condition says why."""
    metrics = Metrics(["m"])
    metrics.show("m", [], None)
    metrics.conditions("m", {"no_data"})
    names = {name for name, _ in _samples(metrics.registry)}
    assert not names & {"drift_value", "drift_alert", "drift_newest_chunk_timestamp_seconds"}
    assert _value(metrics, "drift_condition", model="m", condition="no_data") == 1.0
    others = {condition: _value(metrics, "drift_condition", model="m", condition=condition) for condition in CONDITIONS}
    assert others == {condition: float(condition == "no_data") for condition in CONDITIONS}


def test_the_share_of_missing_targets_is_not_told_where_there_is_none() -> None:
    """And goes away with the chunks it was about."""
    metrics = Metrics(["m"])
    metrics.show("m", [], 0.25)
    assert _value(metrics, "drift_targets_missing_ratio", model="m") == 0.25
    metrics.show("m", [], None)
    assert _value(metrics, "drift_targets_missing_ratio", model="m") is None


def test_failures_are_counted_from_zero() -> None:
    """`increase` sees the first one only then."""
    metrics = Metrics(["m"])
    for cause in CAUSES:
        assert _value(metrics, "drift_evaluation_failures_total", model="m", cause=cause) == 0.0
