"""Alertmanager: gathers alerts and tells people, and retraining."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict, VolumeArgsDict, VolumeMountArgsDict

from infra.config.alert_receivers import AlertReceivers
from infra.config.resources import Resources
from infra.generated import GeneratedSecret
from infra.monitoring.receivers import RETRAINING_TOKEN, SECRETS, receivers
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

APP: Final = App(name="alertmanager", instance="alertmanager", component="alerting")
PORT: Final = 9093

_DATA: Final = "/alertmanager"
_CONFIG: Final = "/etc/alertmanager/config/alertmanager.json"
"""JSON, which is YAML."""

_DISK_GIB: Final = 1
"""Silences and what was notified: kilobytes, on the smallest disk there is."""

_RESOURCES: Final = Resources(
    # 20 MiB at rest; each alert takes kilobytes.
    cpu_request_millicores=20,
    cpu_limit_millicores=500,
    memory_request_mib=32,
    memory_limit_mib=128,
)


@dataclass(frozen=True, kw_only=True)
class AlertmanagerArgs:
    """Whom it tells.

    Attributes:
        platform: what it runs on.
        namespace: where it runs.
        receivers: people and programs outside, as the configuration has them.
        retraining_url: where retraining takes alerts.
        retraining_triggers: which alerts it takes.
        retraining_token: what it asks for there.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    receivers: AlertReceivers
    retraining_url: str
    retraining_triggers: Sequence[str]
    retraining_token: GeneratedSecret


class Alertmanager(pulumi.ComponentResource):
    """One Alertmanager on one disk, which keeps silences over a restart.

    One, because the watchdog's dead man's switch tells of its failure, and two need a protocol between them.
    """

    url: pulumi.Output[str]
    """Its API and pages."""

    def __init__(self, name: str, args: AlertmanagerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the server, its configuration and its endpoint."""
        super().__init__("realtime-ml:monitoring:Alertmanager", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        server = self._server(name, args)
        self.url = args.platform.expose(
            Endpoint(
                name=name,
                namespace=args.namespace,
                app=APP,
                port=PORT,
                target_port="http",
                audience=Audience.OPERATORS,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[server]),
        )
        self.register_outputs({"url": self.url})

    def _server(self, name: str, args: AlertmanagerArgs) -> k8s.apps.v1.StatefulSet:
        told = receivers(args.receivers, args.retraining_url, args.retraining_triggers)
        account = service_account(name, args.namespace, APP, self._child)
        configuration = k8s.core.v1.ConfigMap(
            f"{name}-config",
            metadata={"namespace": args.namespace, "labels": APP.labels},
            immutable=True,
            data={_CONFIG.rpartition("/")[-1]: json.dumps(told.config, indent=2)},
            opts=self._child,
        )
        token = args.retraining_token
        volumes: list[VolumeArgsDict] = [
            {"name": "config", "config_map": {"name": configuration.metadata.name}},
            {
                "name": "retraining",
                "secret": {
                    "secret_name": token.name,
                    "items": [{"key": token.key, "path": RETRAINING_TOKEN.rpartition("/")[-1]}],
                },
            },
        ]
        mounts: list[VolumeMountArgsDict] = [
            {"name": "config", "mount_path": _CONFIG.rpartition("/")[0], "read_only": True},
            {"name": "retraining", "mount_path": RETRAINING_TOKEN.rpartition("/")[0], "read_only": True},
            {"name": "data", "mount_path": _DATA},
        ]
        if told.secrets:
            secret = k8s.core.v1.Secret(
                f"{name}-receivers",
                metadata={"namespace": args.namespace, "labels": APP.labels},
                immutable=True,
                string_data={
                    key: pulumi.Output.secret(value.get_secret_value()) for key, value in told.secrets.items()
                },
                opts=self._child,
            )
            volumes.append({"name": "secrets", "secret": {"secret_name": secret.metadata.name}})
            mounts.append({"name": "secrets", "mount_path": SECRETS, "read_only": True})
        return k8s.apps.v1.StatefulSet(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": APP.labels},
            spec={
                "service_name": name,
                "replicas": 1,
                "revision_history_limit": 3,
                "selector": {"match_labels": APP.selector},
                "persistent_volume_claim_retention_policy": {"when_deleted": "Delete", "when_scaled": "Retain"},
                "template": {
                    "metadata": {"labels": APP.labels},
                    "spec": standard_pod(
                        {
                            "containers": [
                                _container(args.platform.third_party_image(ThirdPartyImage.ALERTMANAGER), mounts)
                            ],
                            "volumes": volumes,
                        },
                        account.metadata.name,
                    ),
                },
                "volume_claim_templates": [disk("data", APP, _DISK_GIB, args.platform.storage_class)],
            },
            opts=self._child,
        )


def _container(image: str, mounts: list[VolumeMountArgsDict]) -> ContainerArgsDict:
    return {
        "name": "alertmanager",
        "image": image,
        "image_pull_policy": "IfNotPresent",
        # Alone: no port for others of its kind.
        "args": [f"--config.file={_CONFIG}", f"--storage.path={_DATA}", "--cluster.listen-address="],
        "ports": [{"name": "http", "container_port": PORT}],
        "resources": resource_requirements(_RESOURCES),
        "security_context": CONTAINER_SECURITY,
        "volume_mounts": mounts,
        "startup_probe": http_probe("/-/ready", "http", period=1, timeout=2, failures=60),
        "readiness_probe": http_probe("/-/ready", "http", period=5, timeout=3, failures=3),
        "liveness_probe": http_probe("/-/healthy", "http", period=15, timeout=5, failures=4),
    }
