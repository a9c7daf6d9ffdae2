"""The metrics of drift. Labels are bounded by the configured models, their features and fixed lists."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from drift.findings import CAUSES, CONDITIONS

_MEASURES: Final = {
    "drift_value": ("value", "The newest chunk's value."),
    "drift_lower_threshold": ("lower_threshold", "A value below it is an alert."),
    "drift_upper_threshold": ("upper_threshold", "A value above it is an alert."),
    "drift_alert": ("alert", "1 where the newest chunk's value is beyond a threshold, 0 where not."),
}
_KEY: Final = ("family", "column", "method")


class _Newest(Collector):
    """The newest chunk of each model, whole: what a new champion no longer has is gone with the old one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows: dict[str, Sequence[Mapping[str, Any]]] = {}
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        for name, (field, meaning) in _MEASURES.items():
            family = GaugeMetricFamily(name, meaning, labels=["model", *_KEY])
            for model, rows in self.rows.items():
                for row in rows:
                    if row[field] is not None:
                        family.add_metric([model, *(row[part] for part in _KEY)], float(row[field]))
            yield family
        ends = GaugeMetricFamily(
            "drift_newest_chunk_timestamp_seconds", "When the newest evaluated chunk ended.", labels=["model"]
        )
        for model, rows in self.rows.items():
            if rows:
                newest = max(datetime.fromisoformat(row["end"]) for row in rows)
                ends.add_metric([model], newest.timestamp())
        yield ends


class Metrics:
    """What Prometheus reads, in a registry of its own."""

    def __init__(self, models: Sequence[str] = ()) -> None:
        """Args: the models that are watched, whose failures are there from the start."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._newest = _Newest(self.registry)
        self.last = self._gauge("drift_last_evaluation_timestamp_seconds", "When an evaluation last ended well.")
        self.duration = self._gauge("drift_evaluation_duration_seconds", "How long the last evaluation took.")
        self._missing = self._gauge(
            "drift_targets_missing_ratio", "Share of the rows evaluated, within the horizon, without a label."
        )
        self.rows = Counter("drift_rows_evaluated", "Rows evaluated.", ["model"], registry=self.registry)
        self.failures = Counter(
            "drift_evaluation_failures",
            f"Evaluations that failed, or parts of one, by cause: {', '.join(CAUSES)}.",
            ["model", "cause"],
            registry=self.registry,
        )
        self._condition = Gauge(
            "drift_condition",
            f"1 while it holds, by condition: {', '.join(CONDITIONS)}.",
            ["model", "condition"],
            registry=self.registry,
        )
        for model in models:
            self.rows.labels(model)
            for cause in CAUSES:
                self.failures.labels(model, cause)

    def show(self, model: str, rows: Sequence[Mapping[str, Any]], targets_missing: float | None) -> None:
        """Publishes what the newest chunk says, in place of what the one before did."""
        self._newest.rows[model] = [row for row in rows if row["family"] is not None]
        if targets_missing is None:
            self._missing.remove_by_labels({"model": model})
        else:
            self._missing.labels(model).set(targets_missing)

    def conditions(self, model: str, holding: set[str]) -> None:
        """Which conditions hold now, and which do not."""
        for condition in CONDITIONS:
            self._condition.labels(model, condition).set(condition in holding)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, ["model"], registry=self.registry)
