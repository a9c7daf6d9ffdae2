"""Grafana: the dashboards of `monitoring/dashboards/`, and nothing that anybody could lose."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict, EnvVarArgsDict

from infra.config.resources import Resources
from infra.generated import generated_secret
from infra.naming import App
from infra.platform import Audience, Endpoint, Platform
from infra.pods import (
    CONTAINER_SECURITY,
    SCRATCH_MOUNT,
    SCRATCH_VOLUME,
    http_probe,
    resource_requirements,
    service_account,
    standard_pod,
)
from infra.versions import ThirdPartyImage

APP: Final = App(name="grafana", instance="grafana", component="dashboards")
PORT: Final = 3000

_PROVISIONING: Final = "/etc/grafana/provisioning"
_DASHBOARDS: Final = "/var/lib/grafana-dashboards"
_ADMIN: Final = "/etc/grafana-admin"

_RESOURCES: Final = Resources(
    # 120 MiB with these dashboards and a few people looking.
    cpu_request_millicores=50,
    cpu_limit_millicores=500,
    memory_request_mib=128,
    memory_limit_mib=512,
)

_SETTINGS: Final[Mapping[str, str]] = {
    "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{_ADMIN}/password",
    "GF_SECURITY_DISABLE_GRAVATAR": "true",
    "GF_USERS_ALLOW_SIGN_UP": "false",
    "GF_AUTH_ANONYMOUS_ENABLED": "false",
    # Nothing leaves the cluster, and nothing is fetched at the start.
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{_DASHBOARDS}/fleet.json",
    "GF_LOG_MODE": "console",
}


@dataclass(frozen=True, kw_only=True)
class GrafanaArgs:
    """What it shows.

    Attributes:
        platform: what it runs on.
        namespace: where it runs.
        datasource_uid: what the dashboards call Prometheus.
        prometheus_url: where Prometheus answers inside the cluster.
        dashboards: by name, as JSON.
        environment: the stack's name, which people choose a data source by.
    """

    platform: Platform
    namespace: pulumi.Input[str]
    datasource_uid: str
    prometheus_url: str
    dashboards: Mapping[str, str]
    environment: str


class Grafana(pulumi.ComponentResource):
    """One Grafana without a disk: data source and dashboards come with the stack, changes made in it do not stay."""

    url: pulumi.Output[str]
    """Its pages."""
    admin_password: pulumi.Output[str]
    """Of the user `admin`; a secret."""

    def __init__(self, name: str, args: GrafanaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the server, what it shows, its administrator's password and its endpoint."""
        super().__init__("realtime-ml:monitoring:Grafana", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        admin = generated_secret(f"{name}-admin", "password", args.namespace, APP, self._child)
        self.admin_password = admin.value
        server = self._server(name, args, admin.name)
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

    def _server(self, name: str, args: GrafanaArgs, admin: pulumi.Output[str]) -> k8s.apps.v1.Deployment:
        account = service_account(name, args.namespace, APP, self._child)
        provisioning = self._config_map(
            f"{name}-provisioning", args, {"datasources.yaml": _datasources(args), "dashboards.yaml": _PROVIDERS}
        )
        dashboards = self._config_map(
            f"{name}-dashboards", args, {f"{key}.json": text for key, text in args.dashboards.items()}
        )
        return k8s.apps.v1.Deployment(
            name,
            metadata={"name": name, "namespace": args.namespace, "labels": APP.labels},
            spec={
                "replicas": 1,
                "revision_history_limit": 3,
                "selector": {"match_labels": APP.selector},
                "template": {
                    "metadata": {"labels": APP.labels},
                    "spec": standard_pod(
                        {
                            "containers": [_container(args.platform.third_party_image(ThirdPartyImage.GRAFANA))],
                            "volumes": [
                                SCRATCH_VOLUME,
                                {"name": "data", "empty_dir": {"size_limit": "256Mi"}},
                                {"name": "admin", "secret": {"secret_name": admin}},
                                {
                                    "name": "datasources",
                                    "config_map": {
                                        "name": provisioning.metadata.name,
                                        "items": [{"key": "datasources.yaml", "path": "datasources.yaml"}],
                                    },
                                },
                                {
                                    "name": "providers",
                                    "config_map": {
                                        "name": provisioning.metadata.name,
                                        "items": [{"key": "dashboards.yaml", "path": "dashboards.yaml"}],
                                    },
                                },
                                {"name": "dashboards", "config_map": {"name": dashboards.metadata.name}},
                            ],
                        },
                        account.metadata.name,
                    ),
                },
            },
            opts=self._child,
        )

    def _config_map(self, name: str, args: GrafanaArgs, data: Mapping[str, str]) -> k8s.core.v1.ConfigMap:
        return k8s.core.v1.ConfigMap(
            name,
            metadata={"namespace": args.namespace, "labels": APP.labels},
            immutable=True,
            data=dict(data),
            opts=self._child,
        )


_PROVIDERS: Final = json.dumps(
    {
        "apiVersion": 1,
        "providers": [
            {
                "name": "realtime-ml",
                "folder": "Real-time ML",
                "type": "file",
                "allowUiUpdates": False,
                "disableDeletion": True,
                "options": {"path": _DASHBOARDS},
            }
        ],
    },
    indent=2,
)
"""JSON, which is YAML."""


def _datasources(args: GrafanaArgs) -> str:
    return json.dumps(
        {
            "apiVersion": 1,
            "datasources": [
                {
                    "name": args.environment,
                    "uid": args.datasource_uid,
                    "type": "prometheus",
                    "access": "proxy",
                    "url": args.prometheus_url,
                    "isDefault": True,
                    "editable": False,
                    # As often as Prometheus looks: a finer step would show the same value twice.
                    "jsonData": {"timeInterval": "15s", "httpMethod": "POST"},
                }
            ],
        },
        indent=2,
    )


def _container(image: str) -> ContainerArgsDict:
    settings: list[EnvVarArgsDict] = [{"name": name, "value": value} for name, value in _SETTINGS.items()]
    return {
        "name": "grafana",
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "env": settings,
        "ports": [{"name": "http", "container_port": PORT}],
        "resources": resource_requirements(_RESOURCES),
        "security_context": CONTAINER_SECURITY,
        "volume_mounts": [
            SCRATCH_MOUNT,
            {"name": "data", "mount_path": "/var/lib/grafana"},
            {"name": "admin", "mount_path": _ADMIN, "read_only": True},
            {"name": "datasources", "mount_path": f"{_PROVISIONING}/datasources", "read_only": True},
            {"name": "providers", "mount_path": f"{_PROVISIONING}/dashboards", "read_only": True},
            {"name": "dashboards", "mount_path": _DASHBOARDS, "read_only": True},
        ],
        # Makes its database at each start, which takes seconds.
        "startup_probe": http_probe("/api/health", "http", period=2, timeout=2, failures=60),
        "readiness_probe": http_probe("/api/health", "http", period=5, timeout=3, failures=3),
        "liveness_probe": http_probe("/api/health", "http", period=15, timeout=5, failures=4),
    }
