"""Rules and dashboards ask for metrics by the catalogue; the services have to export what it says."""

from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from drift.findings import CONDITIONS
from drift.metrics import Metrics as DriftMetrics
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.rollouts import RolloutStep
from monitoring.catalogue import Metric, metrics
from prometheus_client import CollectorRegistry
from retraining.receiver.metrics import new_registry
from retraining.receiver.receiver import Seen
from retraining.rollout.keeper import Told as Rollout
from retraining.runs import Outcome
from scoring.log.metrics import LogMetrics
from scoring.metrics import Metrics

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family


def _scoring(manifest: Manifest) -> CollectorRegistry:
    """Everything that the scoring service can tell, told once."""
    told = Metrics()
    log = LogMetrics(told.registry, manifest.model)
    log.watch(lambda: 0, lambda: 0, 30)
    told.serve(manifest)
    told.request("/v1/predict", 200, 0.001)
    told.predicted(manifest, [0.5], 0.001)
    told.rejected("too_many_requests")
    told.guard_hits.labels(manifest.model, "age", "missing").inc()
    told.unusual_rows.labels(manifest.model, "anomaly").inc()
    told.labels.labels(manifest.model, "accepted").inc()
    told.model_refusals.labels("sha256_mismatch").inc()
    told.model_swaps.labels(manifest.model, "swapped").inc()
    told.trial.begin(manifest, manifest, "canary", 0.05)
    told.trial.differed(manifest, [0.1])
    told.trial.dropped(manifest)
    return told.registry


def _retraining(manifest: Manifest) -> CollectorRegistry:
    """A receiver that has decided once, and seen a champion and a run that ended."""
    decisions = Counter([(manifest.model, "alert", "started")])
    moment = manifest.training.created_at
    outcome = Outcome(
        run="a",
        job="a",
        model=manifest.model,
        trigger="alert",
        result="promoted",
        cause="",
        message="",
        started_at=moment,
        finished_at=moment,
    )
    seen = Seen((), {outcome.run: outcome}, moment, ())
    step = RolloutStep(
        sequence=1,
        version=2,
        state="canary",
        share=0.05,
        champion_version=1,
        champion_tag="a",
        entered_at=moment,
        actor="a",
        reason="a",
    )
    rollouts = {manifest.model: Rollout(step, {"taken_back": (1, moment)})}
    runs = SimpleNamespace(counts=decisions, seen={manifest.model: seen})
    return new_registry(runs, SimpleNamespace(told=rollouts))


def _drift(manifest: Manifest) -> CollectorRegistry:
    """Everything that the drift service can tell, told once."""
    told = DriftMetrics([manifest.model])
    key = {"family": "univariate", "column": "age", "method": "wasserstein", "end": "2026-01-01T00:00:00+00:00"}
    numbers = {"value": 1.0, "lower_threshold": 0.0, "upper_threshold": 2.0, "alert": False}
    told.show(manifest.model, [key | numbers], 0.5)
    told.conditions(manifest.model, {CONDITIONS[0]})
    told.last.labels(manifest.model).set(1)
    told.duration.labels(manifest.model).set(1)
    return told.registry


_EXPORTERS: dict[str, Callable[[Manifest], CollectorRegistry]] = {
    "scoring": _scoring,
    "drift": _drift,
    "retraining": _retraining,
}


def _catalogued(exporter: str) -> Iterator[Metric]:
    return (metric for metric in metrics() if metric.exporter == exporter)


@pytest.mark.parametrize("exporter", _EXPORTERS)
def test_a_service_exports_what_the_catalogue_says(
    exporter: str, describe: Callable[[int, ModelFile], Manifest]
) -> None:
    """Each metric by its name, with its type and its labels."""
    registry = _EXPORTERS[exporter](describe(1, ModelFile.of(b"tree")))
    families: dict[str, Family] = {family.name: family for family in registry.collect()}
    for metric in _catalogued(exporter):
        family = families[metric.name.removesuffix("_total")]
        assert family.type == metric.type, metric.name
        labels = [set(sample.labels) - {"le"} for sample in family.samples]
        assert labels, metric.name
        assert all(each == metric.labels for each in labels), metric.name
