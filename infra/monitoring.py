"""How `monitoring/` runs on Kubernetes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict

from infra.config import MonitoringConfig
from infra.namespaces import MONITORING, restricted_namespace
from infra.naming import App
from infra.platform import Audience, Endpoint, Platform
from infra.pods import CONTAINER_SECURITY, POD_SECURITY, disk, http_probe, resource_requirements
from infra.versions import ThirdPartyImage

_PROMETHEUS_CONFIG: Final = Path(__file__).parents[1] / "monitoring" / "prometheus" / "prometheus.yaml"
_PORT: Final = 9090
_DATA: Final = "/prometheus"
_CONFIG_FOLDER: Final = "/etc/prometheus"

_GRACE_SECONDS: Final = 60
"""To write what is in memory; cut short, the next start replays it from the log instead."""


@dataclass(frozen=True, kw_only=True)
class PrometheusArgs:
    """What Prometheus watches, and how long it remembers.

    Attributes:
        platform: what it runs on.
        namespace: where it runs.
        watched: the namespaces whose pods it may find; their names stand in its configuration.
        config: what it keeps and for how long.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    watched: Sequence[k8s.core.v1.Namespace]
    config: MonitoringConfig


class Prometheus(pulumi.ComponentResource):
    """One Prometheus on one disk, which may list the pods of the namespaces it watches and nothing else."""

    url: pulumi.Output[str]
    """Its API and pages."""

    def __init__(self, name: str, args: PrometheusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the server, its configuration, its permissions and its endpoint."""
        super().__init__("realtime-ml:monitoring:Prometheus", name, None, opts)
        app = App(name="prometheus", instance=name, component="metrics")
        service_account = k8s.core.v1.ServiceAccount(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": app.labels},
            # Mounted by the pod, which asks for it: discovery is a conversation with the API server.
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        permissions = [self._may_list_pods(name, namespace, service_account, app) for namespace in args.watched]
        server = self._server(name, args, app, service_account, permissions)
        self.url = args.platform.expose(
            Endpoint(
                name=name,
                namespace=args.namespace,
                app=app,
                port=_PORT,
                target_port="http",
                audience=Audience.OPERATORS,
            ),
            # After the pod: Pulumi waits until a Service has one, which an earlier failure would make a long wait.
            pulumi.ResourceOptions(parent=self, depends_on=[server]),
        )
        self.register_outputs({"url": self.url})

    def _may_list_pods(
        self, name: str, namespace: k8s.core.v1.Namespace, service_account: k8s.core.v1.ServiceAccount, app: App
    ) -> k8s.rbac.v1.RoleBinding:
        role = k8s.rbac.v1.Role(
            name,
            metadata={"name": name, "namespace": namespace.metadata.name, "labels": app.labels},
            rules=[{"api_groups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return k8s.rbac.v1.RoleBinding(
            name,
            metadata={"name": name, "namespace": namespace.metadata.name, "labels": app.labels},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": role.metadata.name},
            subjects=[
                {
                    "kind": "ServiceAccount",
                    "name": service_account.metadata.name,
                    "namespace": service_account.metadata.namespace,
                },
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _server(
        self,
        name: str,
        args: PrometheusArgs,
        app: App,
        service_account: k8s.core.v1.ServiceAccount,
        permissions: Sequence[pulumi.Resource],
    ) -> k8s.apps.v1.StatefulSet:
        # Pulumi completes the name with a new ending when the content changes, which starts the pod anew.
        configuration = k8s.core.v1.ConfigMap(
            f"{name}-config",
            metadata={"namespace": args.namespace, "labels": app.labels},
            immutable=True,
            data={_PROMETHEUS_CONFIG.name: _PROMETHEUS_CONFIG.read_text(encoding="utf-8")},
            opts=pulumi.ResourceOptions(parent=self),
        )
        return k8s.apps.v1.StatefulSet(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": app.labels},
            spec={
                "service_name": name,
                "replicas": 1,
                "revision_history_limit": 3,
                "selector": {"match_labels": app.selector},
                # Destroying the stack destroys the metrics; a restart or a scale to zero does not.
                "persistent_volume_claim_retention_policy": {"when_deleted": "Delete", "when_scaled": "Retain"},
                "template": {
                    "metadata": {"labels": app.labels},
                    "spec": {
                        "service_account_name": service_account.metadata.name,
                        "automount_service_account_token": True,
                        "enable_service_links": False,
                        "security_context": POD_SECURITY,
                        "termination_grace_period_seconds": _GRACE_SECONDS,
                        "containers": [self._container(args)],
                        "volumes": [{"name": "config", "config_map": {"name": configuration.metadata.name}}],
                    },
                },
                "volume_claim_templates": [disk("data", app, args.config.disk_size_gib, args.platform.storage_class)],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=permissions),
        )

    @staticmethod
    def _container(args: PrometheusArgs) -> ContainerArgsDict:
        return {
            "name": "prometheus",
            "image": args.platform.third_party_image(ThirdPartyImage.PROMETHEUS),
            "image_pull_policy": "IfNotPresent",
            "args": [
                f"--config.file={_CONFIG_FOLDER}/{_PROMETHEUS_CONFIG.name}",
                f"--storage.tsdb.path={_DATA}",
                f"--storage.tsdb.retention.time={args.config.retention_days}d",
                f"--storage.tsdb.retention.size={retention_size_mib(args.config.disk_size_gib)}MB",
            ],
            "ports": [{"name": "http", "container_port": _PORT}],
            "resources": resource_requirements(args.config.resources),
            "security_context": CONTAINER_SECURITY,
            "volume_mounts": [
                {"name": "config", "mount_path": _CONFIG_FOLDER, "read_only": True},
                {"name": "data", "mount_path": _DATA},
            ],
            # After a kill the log is replayed before the first answer, which takes minutes when it is long.
            "startup_probe": http_probe("/-/ready", "http", period=2, timeout=2, failures=150),
            "readiness_probe": http_probe("/-/ready", "http", period=5, timeout=3, failures=3),
            # Slow to restart, and blind meanwhile: only after a minute without an answer.
            "liveness_probe": http_probe("/-/healthy", "http", period=15, timeout=5, failures=4),
        }


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """What is monitored.

    Attributes:
        platform: what monitoring runs on.
        watched: the namespaces whose pods are monitored.
        config: what is kept and for how long.
    """

    platform: Platform
    watched: Sequence[k8s.core.v1.Namespace]
    config: MonitoringConfig


class Monitoring(pulumi.ComponentResource):
    """Everything that watches the workloads, in a namespace of its own."""

    prometheus: Prometheus

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the namespace and what runs in it."""
        super().__init__("realtime-ml:monitoring:Monitoring", name, None, opts)
        namespace = restricted_namespace(MONITORING, pulumi.ResourceOptions(parent=self))
        self.prometheus = Prometheus(
            "prometheus",
            PrometheusArgs(
                platform=args.platform,
                namespace=namespace.metadata.name,
                watched=args.watched,
                config=args.config,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def retention_size_mib(disk_size_gib: int) -> int:
    """Most that may be kept of a disk: the write-ahead log and a compaction under way take the other fifth."""
    return disk_size_gib * 1024 * 8 // 10
