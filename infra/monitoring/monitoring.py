"""Everything that watches the workloads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s

from infra.config.alert_receivers import AlertReceivers
from infra.config.monitoring import MonitoringConfig, RemoteWriteConfig
from infra.generated import generated_secret
from infra.monitoring import alertmanager, prometheus
from infra.monitoring.alertmanager import Alertmanager, AlertmanagerArgs
from infra.monitoring.grafana import Grafana, GrafanaArgs
from infra.monitoring.prometheus import Prometheus, PrometheusArgs
from infra.namespaces import MONITORING, WORKLOADS, restricted_namespace
from infra.platform import Platform
from infra.versions import ThirdPartyImage
from monitoring import dashboards

RETRAINING_ALERTS_URL: Final = f"http://retraining.{WORKLOADS}.svc.cluster.local:8000/v1/alerts"
"""Where retraining takes alerts."""


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What is monitored, and who hears of it.

    Attributes:
        platform: what monitoring runs on.
        watched: the namespaces whose pods are monitored.
        environment: the stack's name, which alerts and dashboards bear.
        config: what is kept and for how long.
        remote_write: where metrics are also written to.
        receivers: who hears of alerts besides retraining.
        retraining_triggers: the alerts that retraining hears of.
    """

    platform: Platform
    watched: Sequence[k8s.core.v1.Namespace]
    environment: str
    config: MonitoringConfig
    remote_write: RemoteWriteConfig | None
    receivers: AlertReceivers | None
    retraining_triggers: Sequence[str]


class Monitoring(pulumi.ComponentResource):
    """Prometheus, Alertmanager and, where its image can be had, Grafana, in a namespace of their own."""

    namespace: k8s.core.v1.Namespace
    prometheus: Prometheus
    alertmanager: Alertmanager
    grafana: Grafana | None
    """None where the platform has no image of it."""

    retraining_token: pulumi.Output[str]
    """What Alertmanager shows to retraining, which is to ask for it; a secret."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the namespace and what runs in it.

        Raises:
            pulumi.RunError: rules or dashboards would not work; names the file and the line.
        """
        super().__init__("realtime-ml:monitoring:Monitoring", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self.namespace = restricted_namespace(MONITORING, self._child)
        self._namespace = self.namespace.metadata.name
        token = generated_secret("retraining-token", "token", self._namespace, alertmanager.APP, self._child)
        self.retraining_token = token.value
        self.alertmanager = Alertmanager(
            "alertmanager",
            AlertmanagerArgs(
                platform=args.platform,
                namespace=self._namespace,
                receivers=args.receivers or AlertReceivers(),
                retraining_url=RETRAINING_ALERTS_URL,
                retraining_triggers=args.retraining_triggers,
                retraining_token=token,
            ),
            self._child,
        )
        self.prometheus = Prometheus(
            "prometheus",
            PrometheusArgs(
                platform=args.platform,
                namespace=self._namespace,
                watched=args.watched,
                environment=args.environment,
                config=args.config,
                remote_write=args.remote_write,
            ),
            self._child,
        )
        self.grafana = self._grafana(args)
        self.register_outputs({})

    @property
    def urls(self) -> dict[str, pulumi.Output[str]]:
        """What answers where, by its name."""
        found = {"prometheus": self.prometheus.url, "alertmanager": self.alertmanager.url}
        return found | ({"grafana": self.grafana.url} if self.grafana else {})

    def _grafana(self, args: MonitoringArgs) -> Grafana | None:
        # Rendered everywhere: what would not work is refused also where it is not shown.
        try:
            rendered = dashboards.render(args.platform.metrics_sources)
        except dashboards.DashboardError as error:
            raise pulumi.RunError(str(error)) from None
        if not args.platform.has_image(ThirdPartyImage.GRAFANA):
            pulumi.log.info(
                "Grafana is left out: its image cannot be had here; `images.grafana` names one that can", self
            )
            return None
        return Grafana(
            "grafana",
            GrafanaArgs(
                platform=args.platform,
                namespace=self._namespace,
                datasource_uid=dashboards.DATASOURCE_UID,
                prometheus_url=f"http://prometheus.{MONITORING}.svc.cluster.local:{prometheus.PORT}",
                dashboards=rendered,
                environment=args.environment,
            ),
            self._child,
        )
