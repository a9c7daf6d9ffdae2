"""What tells how the GPUs are: NVIDIA's DCGM exporter on every node that has some."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.core.v1 import ContainerArgsDict, SecurityContextArgsDict

from infra.aws.node_pools import GPU_POOL, GPU_TAINT, POOL_TAINT
from infra.config.resources import Resources
from infra.namespaces import GPU, privileged_namespace
from infra.naming import App
from infra.pods import (
    CONTAINER_SECURITY,
    SCRATCH_MOUNT,
    SCRATCH_VOLUME,
    http_probe,
    resource_requirements,
    scraped,
    service_account,
    standard_pod,
)

COUNTERS: Final[Mapping[str, tuple[str, str]]] = {
    "DCGM_FI_DEV_FB_FREE": ("gauge", "Memory that is free in MiB."),
    "DCGM_FI_DEV_FB_USED": ("gauge", "Memory that is used in MiB."),
    "DCGM_FI_DEV_GPU_TEMP": ("gauge", "Temperature in degrees Celsius."),
    "DCGM_FI_DEV_GPU_UTIL": ("gauge", "Time that something ran in percent."),
    "DCGM_FI_DEV_POWER_USAGE": ("gauge", "Power in watts."),
    "DCGM_FI_DEV_THERMAL_VIOLATION": ("counter", "Time that clocks were lowered by heat in nanoseconds."),
    "DCGM_FI_DEV_XID_ERRORS": ("gauge", "Number of the driver's last error."),
}
"""What is told: DCGM's name of it, its kind and its meaning. None of them needs rights, as profiling does."""

_PORT: Final = 9400
_FOLDER: Final = "/etc/realtime-ml"
_FILE: Final = "counters.csv"

_SECURITY: Final[SecurityContextArgsDict] = {
    **CONTAINER_SECURITY,
    # Bottlerocket's container runtime gives a node's GPUs to a pod that asks for none only when SYS_ADMIN is in its
    # bounding set. A process that is not root and gains no privileges never has it: it is a key, and not a right.
    "capabilities": {"add": ["SYS_ADMIN"], "drop": ["ALL"]},
}

_RESOURCES: Final = Resources(
    # The embedded host engine of a node with eight GPUs takes some 200 MiB.
    cpu_request_millicores=50,
    cpu_limit_millicores=500,
    memory_request_mib=256,
    memory_limit_mib=512,
)


@dataclass(frozen=True, kw_only=True)
class GpuMetricsArgs:
    """What tells of the GPUs.

    Attributes:
        image: the DCGM exporter.
    """

    image: str


class GpuMetrics(pulumi.ComponentResource):
    """A pod on each GPU node, and none elsewhere, in a namespace of its own."""

    namespace: k8s.core.v1.Namespace
    """Where the pods are; Prometheus has to be let in."""

    def __init__(self, name: str, args: GpuMetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the namespace, what is told, and the pods that tell it."""
        super().__init__("realtime-ml:aws:GpuMetrics", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        app = App(name="dcgm-exporter", instance="gpu", component="metrics")
        self.namespace = privileged_namespace(GPU, child)
        metadata: k8s.meta.v1.ObjectMetaArgsDict = {"namespace": self.namespace.metadata.name, "labels": app.labels}
        account = service_account(app.name, self.namespace.metadata.name, app, child)
        counters = k8s.core.v1.ConfigMap(
            f"{app.name}-counters", metadata=metadata, immutable=True, data={_FILE: counters_csv()}, opts=child
        )
        k8s.apps.v1.DaemonSet(
            app.name,
            metadata={**metadata, "name": app.name},
            spec={
                "revision_history_limit": 3,
                "selector": {"match_labels": app.selector},
                "template": {
                    "metadata": scraped(app, _PORT),
                    "spec": standard_pod(
                        {
                            "node_selector": {POOL_TAINT: GPU_POOL},
                            "tolerations": [{"key": GPU_TAINT, "operator": "Exists", "effect": "NoSchedule"}],
                            "containers": [_container(args.image)],
                            "volumes": [
                                {"name": "counters", "config_map": {"name": counters.metadata.name}},
                                SCRATCH_VOLUME,
                            ],
                        },
                        account.metadata.name,
                    ),
                },
            },
            opts=child,
        )
        self.register_outputs({})


def counters_csv() -> str:
    """What is told, in the exporter's format: field, kind, meaning."""
    return "".join(f"{field}, {kind}, {meaning}\n" for field, (kind, meaning) in COUNTERS.items())


def _container(image: str) -> ContainerArgsDict:
    return {
        "name": "dcgm-exporter",
        "image": image,
        "image_pull_policy": "IfNotPresent",
        # Not the image's entry point, which first changes files that nobody may change here.
        "command": ["/usr/bin/dcgm-exporter"],
        "args": ["--collectors", f"{_FOLDER}/{_FILE}", "--address", f":{_PORT}"],
        "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}],
        "ports": [{"name": "http", "container_port": _PORT}],
        "resources": resource_requirements(_RESOURCES),
        "security_context": _SECURITY,
        "volume_mounts": [{"name": "counters", "mount_path": _FOLDER, "read_only": True}, SCRATCH_MOUNT],
        # The driver's libraries are loaded first, and the first values read: seconds on a node that has just started.
        "startup_probe": http_probe("/health", "http", period=2, timeout=5, failures=60),
        "readiness_probe": http_probe("/health", "http", period=10, timeout=5, failures=3),
        "liveness_probe": http_probe("/health", "http", period=30, timeout=10, failures=4),
    }
