"""What the service tells Prometheus."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, get_args

from lifecycle.manifest import Manifest
from prometheus_client import CollectorRegistry, Counter, Gauge, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from scoring.wire import Unusual, UnusualKind

# From a tenth of a millisecond, which one row takes, to the seconds of a full batch on a busy node.
_DURATION_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PREDICTOR_BUCKETS: Final = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1, 1.0)
_PROBABILITY_BUCKETS: Final = tuple(round(0.05 * i, 2) for i in range(1, 21))
_RAW_BUCKETS: Final = tuple(
    sign * 10.0**i for sign, order in ((-1, range(6, -4, -1)), (1, range(-3, 7))) for i in order
)


class Observed:
    """One series of a histogram. For the thread of the event loop alone, so it takes no lock."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """Args: the upper bounds of the buckets, ascending."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Counts a value: 0.15 us, where prometheus_client's own takes 0.6."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_all(self, values: list[float]) -> None:
        """Counts several."""
        bounds, counts = self.bounds, self.counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.total += sum(values)


class Family(Collector):
    """A histogram whose series are `Observed`."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...], registry: CollectorRegistry) -> None:
        """Args: its name, what it is, the labels of its series, where to register."""
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._series: dict[tuple[str, ...], Observed] = {}
        registry.register(self)

    def series(self, bounds: tuple[float, ...], *labels: str) -> Observed:
        """The series with these label values, made when it is first asked for."""
        found = self._series.get(labels)
        if found is None:
            found = self._series[labels] = Observed(bounds)
        return found

    def clear(self) -> None:
        """Forgets every series."""
        self._series.clear()

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, found in list(self._series.items()):
            bounds = [*map(floatToGoString, found.bounds), "+Inf"]
            buckets = list(zip(bounds, accumulate(found.counts), strict=True))
            family.add_metric(labels, buckets, found.total)
        yield family


class _Rows(Collector):
    """The rows answered, by model and version; as `Family`, without a lock."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.counts: dict[tuple[str, str], int] = {}
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        family = CounterMetricFamily("scoring_predictions", "Rows answered.", labels=("model", "version"))
        for labels, count in list(self.counts.items()):
            family.add_metric(labels, count)
        yield family


def output_bounds(manifest: Manifest) -> tuple[float, ...]:
    """The buckets of what a model answers."""
    return _PROBABILITY_BUCKETS if manifest.classes else _RAW_BUCKETS


def told_outputs(outputs: list[float], width: int) -> list[float]:
    """One number a row: of several, that of the most probable class."""
    return outputs if width == 1 else [max(outputs[at : at + width]) for at in range(0, len(outputs), width)]


class TrialMetrics:
    """The champion and the challenger side by side, while one is on trial; at its end the series go.

    So there are two versions at a time, and the champion is told of only for the requests that both could have had.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        """Args: where to register."""
        labels = ("model", "version", "role")
        self._requests = Counter(
            "scoring_trial_requests_total",
            "Requests of a rollout; failed: the challenger could not answer what the champion could.",
            (*labels, "outcome"),
            registry=registry,
        )
        self._durations = Family("scoring_trial_duration_seconds", "From a body to its answer.", labels, registry)
        self._outputs = Family("scoring_trial_output", "What was answered, as prediction_output.", labels, registry)
        self._differences = Family(
            "scoring_trial_difference", "Between a shadow's output and the champion's.", ("model", "version"), registry
        )
        self._share = Gauge(
            "scoring_trial_share", "Of the requests, that the challenger is given.", labels, registry=registry
        )
        self._refused = Gauge(
            "scoring_trial_refused", "1 while this pod refuses the challenger.", ("model", "version"), registry=registry
        )
        self._dropped = Counter(
            "scoring_trial_dropped_total",
            "Requests that the shadow was to score and was too busy for.",
            ("model", "version"),
            registry=registry,
        )

    def begin(self, champion: Manifest, challenger: Manifest, role: str, share: float) -> None:
        """Tells of a share; every series is there from the start, so that the first request is an increase."""
        for manifest, its_role in ((champion, "champion"), (challenger, role)):
            self._requests.labels(*_of(manifest, its_role), "answered")
            self._durations.series(_PREDICTOR_BUCKETS, *_of(manifest, its_role))
            self._outputs.series(output_bounds(manifest), *_of(manifest, its_role))
        self._requests.labels(*_of(challenger, role), "failed")
        self._share.labels(*_of(challenger, role)).set(share)
        self._refused.labels(challenger.model, str(challenger.version)).set(0)

    def end(self) -> None:
        """Tells of no trial any more."""
        for one in (self._requests, self._durations, self._outputs, self._differences, self._share):
            one.clear()
        self._refused.clear()
        self._dropped.clear()

    def refused(self, model: str, version: int) -> None:
        """Tells that this pod does not serve the challenger."""
        self._refused.labels(model, str(version)).set(1)

    def answered(self, manifest: Manifest, role: str, outputs: list[float], seconds: float) -> None:
        """Counts a request that a version scored, with all its outputs."""
        labels = _of(manifest, role)
        self._requests.labels(*labels, "answered").inc()
        self._durations.series(_PREDICTOR_BUCKETS, *labels).observe(seconds)
        self._outputs.series(output_bounds(manifest), *labels).observe_all(told_outputs(outputs, manifest.outputs))

    def failed(self, challenger: Manifest, role: str) -> None:
        """Counts a request that the challenger could not answer."""
        self._requests.labels(*_of(challenger, role), "failed").inc()

    def differed(self, challenger: Manifest, differences: list[float]) -> None:
        """Counts how far a shadow's outputs are from the champion's."""
        labels = (challenger.model, str(challenger.version))
        self._differences.series(output_bounds(challenger), *labels).observe_all(differences)

    def dropped(self, challenger: Manifest) -> None:
        """Counts a request that the shadow was too busy for."""
        self._dropped.labels(challenger.model, str(challenger.version)).inc()


def _of(manifest: Manifest, role: str) -> tuple[str, str, str]:
    return manifest.model, str(manifest.version), role


class Metrics:
    """The metrics of one process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Args: where to register; a registry of its own by default."""
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._durations = Family(
            "scoring_request_duration_seconds",
            "From the head of a request to the end of its answer.",
            ("route", "status"),
            self.registry,
        )
        self._predictor_durations = Family(
            "scoring_predictor_duration_seconds", "The model's share of a request.", ("model",), self.registry
        )
        self._outputs = Family(
            "scoring_prediction_output",
            "What the model answered: a probability where it has classes, of the most probable one of several.",
            ("model",),
            self.registry,
        )
        self._rows = _Rows(self.registry)
        self._bound_to: Manifest | None = None
        self.trial = TrialMetrics(self.registry)
        self.requests_in_flight = Gauge(
            "scoring_requests_in_flight", "Requests that are being answered.", registry=self.registry
        )
        self.requests_rejected = Counter(
            "scoring_requests_rejected_total", "Requests turned away, by cause.", ("reason",), registry=self.registry
        )
        self.guard_hits = Counter(
            "scoring_guard_hits_total",
            "Values that were missing, out of the range seen in training, or of an unknown category.",
            ("model", "feature", "kind"),
            registry=self.registry,
        )
        self.unusual_rows = Counter(
            "scoring_unusual_rows_total",
            "Rows that were answered with a flag, by its kind; of models whose recipe has an input guard.",
            ("model", "kind"),
            registry=self.registry,
        )
        self.labels = Counter(
            "scoring_labels_total", "Labels received, by outcome.", ("model", "outcome"), registry=self.registry
        )
        self.model_info = Gauge(
            "scoring_model_info", "1 for the model that serves.", ("model", "version", "sha256"), registry=self.registry
        )
        self.model_refusals = Counter(
            "scoring_model_refusals_total", "Times a model was refused.", ("cause",), registry=self.registry
        )
        self.champion_refused = Gauge(
            "scoring_champion_refused", "1 while the champion is one that this pod refused.", registry=self.registry
        )
        self.model_swaps = Counter(
            "scoring_model_swaps_total", "Times the champion changed.", ("model", "outcome"), registry=self.registry
        )
        self.model_loaded_timestamp_seconds = Gauge(
            "scoring_model_loaded_timestamp_seconds",
            "When the model that serves was loaded.",
            ("model",),
            registry=self.registry,
        )

    def answered(self, route: str) -> Observed:
        """What counts the requests of a route that are answered with status 200; to be kept, for it stays the same."""
        return self._durations.series(_DURATION_BUCKETS, route, "200")

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request that was answered."""
        self._durations.series(_DURATION_BUCKETS, route, str(status)).observe(seconds)

    def rejected(self, reason: str) -> None:
        """Counts a request that was turned away; the reason is a code from the fixed list."""
        self.requests_rejected.labels(reason).inc()

    def predicted(self, manifest: Manifest, outputs: list[float], seconds: float) -> None:
        """Counts rows that were answered, with all their outputs, and the time the model took."""
        if manifest is not self._bound_to:
            self._bind(manifest)
        outputs = told_outputs(outputs, self._width)
        self._predictor_series.observe(seconds)
        self._output_series.observe_all(outputs)
        self._rows.counts[self._rows_key] += len(outputs)

    def unusual(self, manifest: Manifest, rows: Iterable[Sequence[Unusual]]) -> None:
        """Counts the flags of rows that have some, where the model is guarded."""
        if manifest.guard is None:
            return
        for flags in rows:
            for kind in {flag.kind for flag in flags}:
                self.unusual_rows.labels(manifest.model, kind).inc()

    def _bind(self, manifest: Manifest) -> None:
        """Looks the series of a model up, which would take longer than to count."""
        model = manifest.model
        self._bound_to, self._width = manifest, manifest.outputs
        self._predictor_series = self._predictor_durations.series(_PREDICTOR_BUCKETS, model)
        self._output_series = self._outputs.series(output_bounds(manifest), model)
        self._rows_key = (model, str(manifest.version))
        self._rows.counts.setdefault(self._rows_key, 0)

    def serve(self, manifest: Manifest) -> None:
        """Tells that this model serves, and no other."""
        self.model_info.clear()
        self.model_info.labels(manifest.model, str(manifest.version), manifest.file.sha256).set(1)
        self.model_loaded_timestamp_seconds.labels(manifest.model).set_to_current_time()
        self._rows.counts.setdefault((manifest.model, str(manifest.version)), 0)  # there from the start
        if manifest.guard is not None:
            for kind in get_args(UnusualKind):
                self.unusual_rows.labels(manifest.model, kind)  # likewise: the first one has to be seen as an increase
