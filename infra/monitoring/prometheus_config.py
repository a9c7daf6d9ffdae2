"""What Prometheus reads: its configuration, and which files of `monitoring/` go with it. Pure."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from infra.config.monitoring import RemoteWriteConfig
from infra.platform import MetricsSource
from monitoring import rules

_FOLDER: Final = Path(__file__).parents[2] / "monitoring" / "prometheus"
CONFIG_FILE: Final = "prometheus.yaml"

REMOTE_WRITE_PASSWORD: Final = "/etc/prometheus-remote-write/password"  # noqa: S105 (a path)

_NEEDS: Final[Mapping[str, frozenset[MetricsSource]]] = {
    "cluster_metrics": frozenset({MetricsSource.KUBE_STATE_METRICS, MetricsSource.NODE_EXPORTER}),
    "cost": frozenset({MetricsSource.NODE_EXPORTER}),
    "gpu": frozenset({MetricsSource.DCGM_EXPORTER}),
}
"""Subjects of rules that make sense only where something exports the metrics: elsewhere their absence would be an
alert, or they would record nothing."""

_SCRAPED: Final[Mapping[MetricsSource, str]] = {
    MetricsSource.KUBE_STATE_METRICS: "kube_state_metrics.yaml",
    MetricsSource.NODE_EXPORTER: "node_exporter.yaml",
    MetricsSource.DCGM_EXPORTER: "dcgm_exporter.yaml",
}
"""The file with the scrape job of each source."""


def rule_subjects(available: Collection[str], sources: Collection[MetricsSource]) -> list[str]:
    """Which of the available subjects apply where these sources export metrics."""
    return [subject for subject in available if _NEEDS.get(subject, frozenset()) <= set(sources)]


def rule_files(sources: Collection[MetricsSource]) -> dict[str, str]:
    """The rule files of the stack: file name to text.

    Raises:
        monitoring.rules.RuleError: a file would not work; names it and the line.
    """
    read = rules.read(rule_subjects(rules.subjects(), sources))
    return {f"{file.subject}.yaml": file.text for file in read}


def config_files(sources: Collection[MetricsSource], remote_write: RemoteWriteConfig | None) -> dict[str, str]:
    """The configuration, and the scrape jobs of these sources: file name to text."""
    text = (_FOLDER / CONFIG_FILE).read_text(encoding="utf-8")
    if remote_write is not None:
        # JSON is YAML. Prometheus has no other way to take a section from elsewhere than scrape jobs and rules.
        text += f"\nremote_write: {json.dumps([_remote(remote_write)])}\n"
    scraped = (_SCRAPED[source] for source in sorted(sources))
    return {CONFIG_FILE: text} | {f"scrape_{name}": (_FOLDER / name).read_text(encoding="utf-8") for name in scraped}


def _remote(config: RemoteWriteConfig) -> dict[str, object]:
    authentication = {"username": config.username, "password_file": REMOTE_WRITE_PASSWORD}
    return {"name": "long-term", "url": config.url, "basic_auth": authentication}
