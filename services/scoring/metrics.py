"""What the service tells Prometheus."""

from lifecycle.manifest import Manifest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.gc_collector import GCCollector

# From a tenth of a millisecond, which one row takes, to the seconds of a full batch on a busy node.
_DURATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Args: where to register; a registry of its own by default."""
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.request_duration_seconds = Histogram(
            "scoring_request_duration_seconds",
            "From the head of a request to the end of its answer.",
            ("route", "status"),
            buckets=_DURATION_BUCKETS,
            registry=self.registry,
        )
        self.requests_in_flight = Gauge(
            "scoring_requests_in_flight", "Requests that are being answered.", registry=self.registry
        )
        self.predictions = Counter(
            "scoring_predictions_total", "Rows answered.", ("model", "version"), registry=self.registry
        )
        self.model_info = Gauge(
            "scoring_model_info", "1 for the model that serves.", ("model", "version", "sha256"), registry=self.registry
        )
        self.model_refusals = Counter(
            "scoring_model_refusals_total", "Times a model was refused.", ("cause",), registry=self.registry
        )

    def serve(self, manifest: Manifest) -> None:
        """Tells that this model serves, and no other."""
        self.model_info.clear()
        self.model_info.labels(manifest.model, str(manifest.version), manifest.file.sha256).set(1)
        self.predictions.labels(manifest.model, str(manifest.version))  # there from the start, at 0
