"""What every Job that trains a model has in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_kubernetes.batch.v1 import JobSpecArgsDict
from pulumi_kubernetes.core.v1 import (
    EnvVarArgsDict,
    PodSpecArgsDict,
    ResourceRequirementsArgsDict,
    TolerationArgsDict,
)

from infra.config.resources import Resources
from infra.naming import App
from infra.platform import Placement
from infra.pods import (
    CONTAINER_SECURITY,
    SCRATCH_MOUNT,
    SCRATCH_VOLUME,
    cores,
    mebibytes,
    placed,
    resource_requirements,
    standard_pod,
)

GPU_RESOURCE: Final = "nvidia.com/gpu"

_RETRIES: Final = 3
_CONFIGURATION_ERROR: Final = 2
"""Exit status of a service whose environment is not right: nothing that another attempt would change."""


@dataclass(frozen=True, kw_only=True)
class TrainingPod:
    """What differs between them.

    Attributes:
        app: what the Job and its pod are labelled with.
        service_account: what it runs as.
        image: of the retraining service.
        command: of its one container, whose name is the last word.
        env: of the container.
        resources: of the pod.
        placement: which nodes it runs on; none are the usual ones.
        deadline_seconds: for all attempts.
        gpu: whether it takes a GPU for itself.
    """

    app: App
    service_account: pulumi.Input[str]
    image: pulumi.Input[str]
    command: Sequence[str]
    env: Sequence[EnvVarArgsDict]
    resources: Resources
    placement: Placement | None
    deadline_seconds: int
    gpu: bool = False


def _resources(pod: TrainingPod) -> ResourceRequirementsArgsDict:
    asked = resource_requirements(pod.resources)
    if not pod.gpu:
        return asked
    # Asked for by the limit alone: of what cannot be shared, Kubernetes takes it for the request too.
    limits = {
        "cpu": cores(pod.resources.cpu_limit_millicores),
        "memory": mebibytes(pod.resources.memory_limit_mib),
        GPU_RESOURCE: "1",
    }
    return {**asked, "limits": limits}


def _placed(spec: PodSpecArgsDict, pod: TrainingPod) -> PodSpecArgsDict:
    """Nodes with GPUs keep out, by a taint of the resource's name, what does not want one."""
    if not pod.gpu:
        return placed(spec, pod.placement)
    wanted: list[TolerationArgsDict] = [{"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"}]
    if pod.placement is None:
        return {**spec, "tolerations": wanted}
    there = pod.placement
    return {**spec, "node_selector": there.node_selector, "tolerations": [*there.tolerations, *wanted]}


def training_job(pod: TrainingPod) -> JobSpecArgsDict:
    """The specification of a Job that is tried again, unless that could not help."""
    return {
        "backoff_limit": _RETRIES,
        "active_deadline_seconds": pod.deadline_seconds,
        "pod_failure_policy": {
            "rules": [
                {
                    "action": "FailJob",
                    "on_exit_codes": {"operator": "In", "values": [_CONFIGURATION_ERROR]},
                },
            ],
        },
        "template": {
            "metadata": {"labels": pod.app.labels},
            "spec": _placed(
                standard_pod(
                    {
                        "restart_policy": "Never",
                        "containers": [
                            {
                                "name": pod.command[-1],
                                "image": pod.image,
                                "image_pull_policy": "IfNotPresent",
                                "command": list(pod.command),
                                "env": list(pod.env),
                                "resources": _resources(pod),
                                "security_context": CONTAINER_SECURITY,
                                "volume_mounts": [SCRATCH_MOUNT],
                            },
                        ],
                        "volumes": [SCRATCH_VOLUME],
                    },
                    pod.service_account,
                ),
                pod,
            ),
        },
    }
