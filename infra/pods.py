"""The standard of every pod: what it may do, what it gets, how its health is asked for."""

from collections.abc import Mapping
from typing import Final

import pulumi
from pulumi_kubernetes.core.v1 import (
    EnvVarArgsDict,
    PersistentVolumeClaimArgsDict,
    PersistentVolumeClaimSpecArgsDict,
    PodSecurityContextArgsDict,
    PodSpecArgsDict,
    ProbeArgsDict,
    ResourceRequirementsArgsDict,
    SecurityContextArgsDict,
    ServiceAccount,
    TopologySpreadConstraintArgsDict,
    VolumeArgsDict,
    VolumeMountArgsDict,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgsDict

from infra.config.resources import Resources
from infra.naming import App
from infra.platform import ObjectStoreAccess, Placement

RUN_AS: Final = 10001
"""User and group of every process; the images of this repository are made for it."""

POD_SECURITY: Final[PodSecurityContextArgsDict] = {
    "run_as_non_root": True,
    "run_as_user": RUN_AS,
    "run_as_group": RUN_AS,
    "fs_group": RUN_AS,
    # A disk that already has the right owner is not walked file by file at each start.
    "fs_group_change_policy": "OnRootMismatch",
    "seccomp_profile": {"type": "RuntimeDefault"},
}

CONTAINER_SECURITY: Final[SecurityContextArgsDict] = {
    "allow_privilege_escalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "read_only_root_filesystem": True,
}

SCRATCH_VOLUME: Final[VolumeArgsDict] = {"name": "scratch", "empty_dir": {"size_limit": "64Mi"}}
"""The only place a service may write to: libraries want some temporary folder, none of them keeps anything in it."""

SCRATCH_MOUNT: Final[VolumeMountArgsDict] = {"name": "scratch", "mount_path": "/tmp"}  # noqa: S108 (a path in the pod)


def service_account(name: str, namespace: pulumi.Input[str], app: App, opts: pulumi.ResourceOptions) -> ServiceAccount:
    """Who a pod is. Its token is mounted by the pods that ask for it alone."""
    return ServiceAccount(
        name,
        metadata={"name": name, "namespace": namespace, "labels": app.labels},
        automount_service_account_token=False,
        opts=opts,
    )


def standard_pod(
    spec: PodSpecArgsDict, account: pulumi.Input[str], *, asks_api_server: bool = False
) -> PodSpecArgsDict:
    """A pod's specification with what all of them have in common.

    Args:
        spec: what it has of its own.
        account: the name of its service account.
        asks_api_server: whether it gets a token to do so.
    """
    return {
        **spec,
        "service_account_name": account,
        "automount_service_account_token": asks_api_server,
        # Otherwise a Service named scoring-... would put SCORING_... variables among a service's settings.
        "enable_service_links": False,
        "security_context": POD_SECURITY,
    }


def scraped(app: App, port: int) -> ObjectMetaArgsDict:
    """The metadata of a pod that Prometheus asks for metrics at `/metrics` of a port."""
    return {
        "labels": app.labels,
        "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": str(port)},
    }


def rollout_timeouts(seconds: int) -> pulumi.CustomTimeouts:
    """A minute more than a rollout may go without progress, so that Kubernetes is the one to say why it failed."""
    return pulumi.CustomTimeouts(create=f"{seconds + 60}s", update=f"{seconds + 60}s")


def resource_requirements(resources: Resources) -> ResourceRequirementsArgsDict:
    """Requests and limits as Kubernetes takes them."""
    return {
        "requests": {"cpu": cores(resources.cpu_request_millicores), "memory": mebibytes(resources.memory_request_mib)},
        "limits": {"cpu": cores(resources.cpu_limit_millicores), "memory": mebibytes(resources.memory_limit_mib)},
    }


def cores(millicores: int) -> str:
    """A quantity as the API server writes it itself, so that reading it back never looks like a change."""
    return f"{millicores}m" if millicores % 1000 else f"{millicores // 1000}"


def mebibytes(mib: int) -> str:
    """A quantity as the API server writes it itself, likewise."""
    return f"{mib}Mi" if mib % 1024 else f"{mib // 1024}Gi"


def http_probe(path: str, port: str, *, period: int, timeout: int, failures: int) -> ProbeArgsDict:
    """A GET every `period` seconds; `failures` in a row, none answered well within `timeout` seconds, mean no."""
    return {
        "http_get": {"path": path, "port": port},
        "period_seconds": period,
        "timeout_seconds": timeout,
        "failure_threshold": failures,
    }


def spread(app: App) -> list[TopologySpreadConstraintArgsDict]:
    """Asks for the pods of one revision to lie in different zones and on different nodes.

    It does not insist: with one node, or one zone short of room, all of them together still serve.
    """
    return [
        {
            "max_skew": 1,
            "topology_key": key,
            "when_unsatisfiable": "ScheduleAnyway",
            "label_selector": {"match_labels": app.selector},
            "match_label_keys": ["pod-template-hash"],
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def placed(spec: PodSpecArgsDict, placement: Placement | None) -> PodSpecArgsDict:
    """A pod's specification with the nodes that it is to run on; none are the usual ones."""
    if placement is None:
        return spec
    return {**spec, "node_selector": placement.node_selector, "tolerations": placement.tolerations}


def disk(name: str, app: App, size_gib: int, storage_class: str | None) -> PersistentVolumeClaimArgsDict:
    """A disk for one pod of a StatefulSet; no storage class is the cluster's default one."""
    spec: PersistentVolumeClaimSpecArgsDict = {
        "access_modes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{size_gib}Gi"}},
    }
    if storage_class is not None:
        spec["storage_class_name"] = storage_class
    return {"metadata": {"name": name, "labels": app.labels}, "spec": spec}


def environment(settings: Mapping[str, pulumi.Input[str]], store: ObjectStoreAccess) -> list[EnvVarArgsDict]:
    """A container's environment: its own settings, then what gives it the object store."""
    plain: list[EnvVarArgsDict] = [{"name": name, "value": value} for name, value in {**settings, **store.env}.items()]
    secret: list[EnvVarArgsDict] = [
        {"name": name, "value_from": {"secret_key_ref": {"name": value.secret, "key": value.key}}}
        for name, value in store.secret_env.items()
    ]
    return plain + secret
