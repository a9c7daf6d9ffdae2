"""Prometheus: what it watches, what it computes, how long it remembers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict, VolumeArgsDict, VolumeMountArgsDict

from infra.config.monitoring import MonitoringConfig, RemoteWriteConfig
from infra.monitoring.prometheus_config import CONFIG_FILE, REMOTE_WRITE_PASSWORD, config_files, rule_files
from infra.naming import App
from infra.platform import Audience, Endpoint, Platform
from infra.pods import (
    CONTAINER_SECURITY,
    disk,
    http_probe,
    resource_requirements,
    service_account,
    standard_pod,
)
from infra.versions import ThirdPartyImage
from monitoring.rules import RuleError

APP: Final = App(name="prometheus", instance="prometheus", component="metrics")
PORT: Final = 9090

_DATA: Final = "/prometheus"
_CONFIG_FOLDER: Final = "/etc/prometheus"
_RULES_FOLDER: Final = "/etc/prometheus-rules"

_GRACE_SECONDS: Final = 60
"""To write what is in memory; cut short, the next start replays it from the log instead."""


@dataclass(frozen=True, kw_only=True)
class PrometheusArgs:
    """What Prometheus watches, and how long it remembers.

    Attributes:
        platform: what it runs on.
        namespace: where it runs.
        watched: the namespaces whose pods it may find; their names stand in its configuration.
        environment: what its alerts and remote writes say they come from.
        config: what it keeps and for how long.
        remote_write: where it also writes what it gathers.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    watched: Sequence[k8s.core.v1.Namespace]
    environment: str
    config: MonitoringConfig
    remote_write: RemoteWriteConfig | None = None


class Prometheus(pulumi.ComponentResource):
    """One Prometheus on one disk, which may list the pods of the namespaces it watches and nothing else."""

    url: pulumi.Output[str]
    """Its API and pages."""

    def __init__(self, name: str, args: PrometheusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the server, its configuration, its permissions and its endpoint."""
        super().__init__("realtime-ml:monitoring:Prometheus", name, None, opts)
        account = service_account(name, args.namespace, APP, pulumi.ResourceOptions(parent=self))
        child = pulumi.ResourceOptions(parent=self)
        permissions = [self._may_list_pods(name, namespace.metadata.name, account, child) for namespace in args.watched]
        permissions += [
            self._may_list_pods(
                f"{name}-{source}",
                pods.namespace,
                account,
                pulumi.ResourceOptions(parent=self, depends_on=pods.ready),
            )
            for source, pods in args.platform.metrics_sources.items()
        ]
        server = self._server(name, args, account, permissions)
        self.url = args.platform.expose(
            Endpoint(
                name=name,
                namespace=args.namespace,
                app=APP,
                port=PORT,
                target_port="http",
                audience=Audience.OPERATORS,
            ),
            # After the pod: Pulumi waits until a Service has one, which an earlier failure would make a long wait.
            pulumi.ResourceOptions(parent=self, depends_on=[server]),
        )
        self.register_outputs({"url": self.url})

    @staticmethod
    def _may_list_pods(
        name: str,
        namespace: pulumi.Input[str],
        account: k8s.core.v1.ServiceAccount,
        opts: pulumi.ResourceOptions,
    ) -> k8s.rbac.v1.RoleBinding:
        role = k8s.rbac.v1.Role(
            name,
            metadata={"name": name, "namespace": namespace, "labels": APP.labels},
            rules=[{"api_groups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
            opts=opts,
        )
        return k8s.rbac.v1.RoleBinding(
            name,
            metadata={"name": name, "namespace": namespace, "labels": APP.labels},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": role.metadata.name},
            subjects=[
                {
                    "kind": "ServiceAccount",
                    "name": account.metadata.name,
                    "namespace": account.metadata.namespace,
                },
            ],
            opts=opts,
        )

    def _server(
        self,
        name: str,
        args: PrometheusArgs,
        account: k8s.core.v1.ServiceAccount,
        permissions: Sequence[pulumi.Resource],
    ) -> k8s.apps.v1.StatefulSet:
        volumes: list[VolumeArgsDict] = [
            {"name": "config", "config_map": {"name": self._config_map(f"{name}-config", args, _config_files(args))}},
            {"name": "rules", "config_map": {"name": self._config_map(f"{name}-rules", args, _rule_files(args))}},
        ]
        mounts: list[VolumeMountArgsDict] = [
            {"name": "config", "mount_path": _CONFIG_FOLDER, "read_only": True},
            # Beside the configuration and not below it: a mount needs a folder, and the one above is read-only.
            {"name": "rules", "mount_path": _RULES_FOLDER, "read_only": True},
            {"name": "data", "mount_path": _DATA},
        ]
        if args.remote_write is not None:
            folder, _, file = REMOTE_WRITE_PASSWORD.rpartition("/")
            secret = k8s.core.v1.Secret(
                f"{name}-remote-write",
                metadata={"namespace": args.namespace, "labels": APP.labels},
                immutable=True,
                string_data={file: pulumi.Output.secret(args.remote_write.password.get_secret_value())},
                opts=pulumi.ResourceOptions(parent=self),
            )
            volumes.append({"name": "remote-write", "secret": {"secret_name": secret.metadata.name}})
            mounts.append({"name": "remote-write", "mount_path": folder, "read_only": True})
        return k8s.apps.v1.StatefulSet(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": APP.labels},
            spec={
                "service_name": name,
                "replicas": 1,
                "revision_history_limit": 3,
                "selector": {"match_labels": APP.selector},
                # Destroying the stack destroys the metrics; a restart or a scale to zero does not.
                "persistent_volume_claim_retention_policy": {"when_deleted": "Delete", "when_scaled": "Retain"},
                "template": {
                    "metadata": {"labels": APP.labels},
                    "spec": standard_pod(
                        {
                            "termination_grace_period_seconds": _GRACE_SECONDS,
                            "containers": [_container(args, mounts)],
                            "volumes": volumes,
                        },
                        account.metadata.name,
                        asks_api_server=True,
                    ),
                },
                "volume_claim_templates": [disk("data", APP, args.config.disk_size_gib, args.platform.storage_class)],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=permissions),
        )

    def _config_map(self, name: str, args: PrometheusArgs, data: Mapping[str, str]) -> pulumi.Output[str]:
        """Its name, which Pulumi completes with a new ending when the content changes: that starts the pod anew."""
        return k8s.core.v1.ConfigMap(
            name,
            metadata={"namespace": args.namespace, "labels": APP.labels},
            immutable=True,
            data=dict(data),
            opts=pulumi.ResourceOptions(parent=self),
        ).metadata.name


def _config_files(args: PrometheusArgs) -> dict[str, str]:
    return config_files(args.platform.metrics_sources, args.remote_write)


def _rule_files(args: PrometheusArgs) -> dict[str, str]:
    try:
        return rule_files(args.platform.metrics_sources)
    except RuleError as error:
        raise pulumi.RunError(str(error)) from None


def _container(args: PrometheusArgs, mounts: list[VolumeMountArgsDict]) -> ContainerArgsDict:
    return {
        "name": "prometheus",
        "image": args.platform.third_party_image(ThirdPartyImage.PROMETHEUS),
        "image_pull_policy": "IfNotPresent",
        "args": [
            f"--config.file={_CONFIG_FOLDER}/{CONFIG_FILE}",
            f"--storage.tsdb.path={_DATA}",
            f"--storage.tsdb.retention.time={args.config.retention_days}d",
            f"--storage.tsdb.retention.size={retention_size_mib(args.config.disk_size_gib)}MB",
        ],
        "env": [{"name": "ENVIRONMENT", "value": args.environment}],
        "ports": [{"name": "http", "container_port": PORT}],
        "resources": resource_requirements(args.config.resources),
        "security_context": CONTAINER_SECURITY,
        "volume_mounts": mounts,
        # After a kill the log is replayed before the first answer, which takes minutes when it is long.
        "startup_probe": http_probe("/-/ready", "http", period=2, timeout=2, failures=150),
        "readiness_probe": http_probe("/-/ready", "http", period=5, timeout=3, failures=3),
        # Slow to restart, and blind meanwhile: only after a minute without an answer.
        "liveness_probe": http_probe("/-/healthy", "http", period=15, timeout=5, failures=4),
    }


def retention_size_mib(disk_size_gib: int) -> int:
    """Most that may be kept of a disk: the write-ahead log and a compaction under way take the other fifth."""
    return disk_size_gib * 1024 * 8 // 10
