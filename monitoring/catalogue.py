"""The metrics that there are: who exports each, and which labels its series have."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import yaml

# Ten times as fast where libyaml is there, and read at every preview.
LOADER: Final[type[yaml.SafeLoader | yaml.CSafeLoader]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

FILE: Final = Path(__file__).parent / "metrics.yaml"

_TARGET_LABELS: Final = frozenset({"job", "instance", "namespace", "pod"})
"""What Prometheus puts on every series of a target, as `prometheus/prometheus.yaml` says."""

_OF_SCORING: Final = _TARGET_LABELS | {"model"}
"""A scoring pod serves one model, which is a label of its target."""

_OF_GPUS: Final = _TARGET_LABELS | {"node"}
"""A GPU belongs to a node; the pod that tells of it comes and goes."""

_OF_TARGET: Final[Mapping[str, frozenset[str]]] = {"scoring": _OF_SCORING, "dcgm-exporter": _OF_GPUS}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of an exporter.

    Attributes:
        name: as the exporter's code has it.
        exporter: the job that it comes from.
        type: which functions fit it.
        labels: its own, without those of its target.
    """

    name: str
    exporter: str
    type: Literal["counter", "gauge", "histogram"]
    labels: frozenset[str]

    def series(self) -> dict[str, frozenset[str]]:
        """The names that Prometheus knows it by, each with all its labels."""
        labels = self.labels | _OF_TARGET.get(self.exporter, _TARGET_LABELS)
        if self.name == "up":
            labels = labels.union(*_OF_TARGET.values())
        if self.type == "histogram":
            return {
                f"{self.name}_bucket": labels | {"le"},
                f"{self.name}_count": labels,
                f"{self.name}_sum": labels,
            }
        return {self.name: labels}


@functools.cache
def metrics() -> tuple[Metric, ...]:
    """Every metric of the catalogue."""
    document = yaml.load(FILE.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 - it is a safe one
    return tuple(
        Metric(name=name, exporter=exporter, type=entry["type"], labels=frozenset(entry["labels"]))
        for exporter, entries in document.items()
        for name, entry in entries.items()
    )


@functools.cache
def series() -> Mapping[str, frozenset[str]]:
    """Every name of a series, with its labels; one that several export has the labels of all."""
    found: dict[str, frozenset[str]] = {}
    for metric in metrics():
        for name, labels in metric.series().items():
            found[name] = found.get(name, frozenset()) | labels
    return found
