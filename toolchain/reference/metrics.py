"""Every metric that a service exports."""

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Final

from drift.metrics import Metrics as DriftMetrics
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from retraining.receiver.metrics import new_registry
from scoring.log.metrics import LogMetrics
from scoring.metrics import Metrics as ScoringMetrics

from monitoring.catalogue import metrics as catalogue


def _scoring() -> CollectorRegistry:
    told = ScoringMetrics()
    LogMetrics(told.registry, "model").watch(lambda: 0, lambda: 0, 0)
    return told.registry


_METRICS: Final[dict[str, Callable[[], CollectorRegistry]]] = {
    "scoring": _scoring,
    "drift": lambda: DriftMetrics().registry,
    "retraining": lambda: new_registry(SimpleNamespace(counts=Counter(), seen={}), SimpleNamespace(told={})),
}
_NOT_OURS: Final = ("process_", "python_")
"""What the client library says of any Python process."""


def families(service: str) -> list[Family]:
    """The metrics of a service, by name; without those of any Python process."""
    found = _METRICS[service]().collect()
    return sorted((one for one in found if not one.name.startswith(_NOT_OURS)), key=lambda one: one.name)


def page() -> str:
    """The page in Markdown."""
    labels = {metric.name: ", ".join(f"`{label}`" for label in sorted(metric.labels)) for metric in catalogue()}
    lines = [
        "# Metrics",
        "",
        "What each service tells Prometheus at `/metrics`, written from the code by `make docs`.",
        "",
    ]
    for service in _METRICS:
        lines += [f"## {service}", "", "| metric | type | labels | meaning |", "| --- | --- | --- | --- |"]
        for metric in families(service):
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            lines.append(f"| `{name}` | {metric.type} | {labels.get(name, '')} | {metric.documentation} |")
        lines.append("")
    return "\n".join(lines)
