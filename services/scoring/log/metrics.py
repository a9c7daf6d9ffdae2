"""What the prediction log tells Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class LogMetrics:
    """The metrics of one model's log."""

    def __init__(self, registry: CollectorRegistry, model: str) -> None:
        """Args: where to register, and the model's name."""
        records = Counter(
            "scoring_log_records_total", "Predictions by what became of them.", ("model", "outcome"), registry=registry
        )
        self.stored, self.dropped, self.sampled_out = (
            records.labels(model, outcome) for outcome in ("stored", "dropped", "sampled_out")
        )
        failures = Counter(
            "scoring_log_failures_total", "Failed writes of the log.", ("model", "cause"), registry=registry
        )
        self.store_failures, self.disk_failures = (failures.labels(model, cause) for cause in ("store", "disk"))
        self.bytes = Counter(
            "scoring_log_bytes_total", "Bytes of the parts written to the object store.", ("model",), registry=registry
        ).labels(model)
        self._queue = Gauge(
            "scoring_log_queue_records",
            "Predictions and labels that wait for the write-ahead file.",
            ("model",),
            registry=registry,
        ).labels(model)
        self._lag = Gauge(
            "scoring_log_lag_seconds",
            "Age of the oldest record not yet in the object store.",
            ("model",),
            registry=registry,
        ).labels(model)

        self._flush = Gauge(
            "scoring_log_flush_seconds",
            "Longest that a record should wait for the object store.",
            ("model",),
            registry=registry,
        ).labels(model)

    def watch(self, queued: Callable[[], float], lag_seconds: Callable[[], float], flush_seconds: float) -> None:
        """Reads the gauges from the log whenever they are asked for."""
        self._flush.set(flush_seconds)
        self._queue.set_function(queued)
        self._lag.set_function(lag_seconds)
