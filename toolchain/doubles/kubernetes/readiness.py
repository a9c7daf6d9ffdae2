"""Whether an object is what it should be (pure): one rule for each kind that takes time."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolchain.doubles.kubernetes.objects import GroupKind, KubernetesObject, condition, dig, group_kind


class Phase(enum.Enum):
    """How far an object is."""

    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far an object is, and what is missing or went wrong."""

    phase: Phase
    message: str = ""


@dataclass(frozen=True, slots=True)
class Related:
    """What a rule has to know beside the object itself.

    Attributes:
        endpoint_slices: of a Service.
        storage_class: of a PersistentVolumeClaim; None where there is none for it.
    """

    endpoint_slices: list[KubernetesObject] = field(default_factory=list)
    storage_class: KubernetesObject | None = None


READY = Verdict(Phase.READY)
Rule = Callable[[Mapping[str, Any], Related], Verdict]


def judge(live: Mapping[str, Any], related: Related | None = None) -> Verdict:
    """How far an object is; one of a kind without a rule is ready once it is stored."""
    rule = RULES.get(group_kind(live))
    return rule(live, related or Related()) if rule else READY


def _waiting(message: str) -> Verdict:
    return Verdict(Phase.WAITING, message)


def _failed(message: str) -> Verdict:
    return Verdict(Phase.FAILED, message)


def _unobserved(live: Mapping[str, Any]) -> bool:
    return int(dig(live, "status", "observedGeneration") or 0) < int(dig(live, "metadata", "generation") or 0)


def _count(live: Mapping[str, Any], key: str) -> int:
    return int(dig(live, "status", key) or 0)


def _replicas(live: Mapping[str, Any]) -> int:
    wanted = dig(live, "spec", "replicas")
    return 1 if wanted is None else int(wanted)


_UNOBSERVED = _waiting("the controller has not looked at it yet")


def _deployment(live: Mapping[str, Any], _: Related) -> Verdict:  # noqa: PLR0911 - one return for each state
    if dig(live, "spec", "paused"):
        return READY
    if _unobserved(live):
        return _UNOBSERVED
    progressing = condition(live, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return _failed(f"the rollout made no progress: {progressing.get('message', '')}")
    wanted, updated = _replicas(live), _count(live, "updatedReplicas")
    refused = condition(live, "ReplicaFailure")
    if refused.get("status") == "True" and updated < wanted:
        return _waiting(f"pods cannot be created: {refused.get('message', '')}")
    if updated < wanted:
        return _waiting(f"{updated} of {wanted} new pods are created")
    if _count(live, "replicas") > updated:
        return _waiting(f"{_count(live, 'replicas') - updated} old pods are still to go")
    if _count(live, "availableReplicas") < updated:
        return _waiting(f"{_count(live, 'availableReplicas')} of {updated} pods are available")
    return READY


def _replica_set(live: Mapping[str, Any], _: Related) -> Verdict:
    if _unobserved(live):
        return _UNOBSERVED
    wanted, available = _replicas(live), _count(live, "availableReplicas")
    return READY if available >= wanted else _waiting(f"{available} of {wanted} pods are available")


def _stateful_set(live: Mapping[str, Any], _: Related) -> Verdict:  # noqa: PLR0911 - one return for each state
    if _unobserved(live):
        return _UNOBSERVED
    wanted, ready, updated = _replicas(live), _count(live, "readyReplicas"), _count(live, "updatedReplicas")
    if ready < wanted:
        return _waiting(f"{ready} of {wanted} pods are ready")
    if dig(live, "spec", "updateStrategy", "type") == "OnDelete":
        return READY
    partition = int(dig(live, "spec", "updateStrategy", "rollingUpdate", "partition") or 0)
    if updated < wanted - partition:
        return _waiting(f"{updated} of {wanted - partition} pods are updated")
    if _count(live, "replicas") > wanted:
        return _waiting(f"{_count(live, 'replicas') - wanted} pods are still to go")
    if not partition and dig(live, "status", "updateRevision") != dig(live, "status", "currentRevision"):
        return _waiting("the last pods are being updated")
    return READY


def _daemon_set(live: Mapping[str, Any], _: Related) -> Verdict:
    if _unobserved(live):
        return _UNOBSERVED
    wanted = _count(live, "desiredNumberScheduled")
    if dig(live, "spec", "updateStrategy", "type") != "OnDelete" and _count(live, "updatedNumberScheduled") < wanted:
        return _waiting(f"{_count(live, 'updatedNumberScheduled')} of {wanted} nodes have the new pod")
    if _count(live, "numberAvailable") < wanted:
        return _waiting(f"{_count(live, 'numberAvailable')} of {wanted} pods are available")
    return READY


def _job(live: Mapping[str, Any], _: Related) -> Verdict:
    if condition(live, "Complete").get("status") == "True" or dig(live, "spec", "suspend"):
        return READY
    failure = condition(live, "Failed")
    if failure.get("status") == "True":
        return _failed(f"the job failed ({failure.get('reason')}): {failure.get('message')}")
    active, succeeded, failed = (_count(live, key) for key in ("active", "succeeded", "failed"))
    return _waiting(f"{active} pods are active, {succeeded} succeeded, {failed} failed")


def _pod(live: Mapping[str, Any], _: Related) -> Verdict:
    phase = dig(live, "status", "phase")
    if phase == "Succeeded" or condition(live, "Ready").get("status") == "True":
        return READY
    if phase == "Failed":
        return _failed(f"the pod failed: {dig(live, 'status', 'message') or dig(live, 'status', 'reason') or phase}")
    return _waiting(f"the pod is {phase or 'not seen by the scheduler yet'}")


def _service(live: Mapping[str, Any], related: Related) -> Verdict:
    spec = live.get("spec", {})
    if spec.get("type") == "LoadBalancer" and not dig(live, "status", "loadBalancer", "ingress"):
        return _waiting("the load balancer has no address yet")
    if spec.get("type") == "ExternalName" or not spec.get("selector"):
        return READY
    if spec.get("clusterIP") == "None":
        # A StatefulSet's pods need the name of their headless Service before they can be ready.
        return READY
    endpoints = [end for part in related.endpoint_slices for end in part.get("endpoints") or []]
    if any(dig(end, "conditions", "ready") is not False for end in endpoints):
        return READY
    selector = ",".join(f"{key}={value}" for key, value in sorted(spec["selector"].items()))
    seen = f"{len(endpoints)} pods, none ready" if endpoints else "no pod"
    return _waiting(f"the selector {selector} finds {seen}")


def _claim(live: Mapping[str, Any], related: Related) -> Verdict:
    phase = dig(live, "status", "phase")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return _failed(f"the volume {dig(live, 'spec', 'volumeName')!r} is lost")
    if dig(related.storage_class, "volumeBindingMode") == "WaitForFirstConsumer":
        # Bound only once a pod that uses it is scheduled, which comes later in the same `up`.
        return READY
    name = dig(live, "spec", "storageClassName")
    if related.storage_class is None and name != "":
        return _waiting(f"there is no storage class {name!r}" if name else "there is no default storage class")
    return _waiting(f"the claim is {phase or 'not seen by the controller yet'}")


def _volume(live: Mapping[str, Any], _: Related) -> Verdict:
    phase = dig(live, "status", "phase")
    if phase == "Failed":
        return _failed(f"the volume failed: {dig(live, 'status', 'message')}")
    return READY if phase in ("Available", "Bound") else _waiting(f"the volume is {phase or 'not seen yet'}")


def _namespace(live: Mapping[str, Any], _: Related) -> Verdict:
    phase = dig(live, "status", "phase")
    return READY if phase == "Active" else _waiting(f"the namespace is {phase}")


def _definition(live: Mapping[str, Any], _: Related) -> Verdict:
    names = condition(live, "NamesAccepted")
    if names.get("status") == "False":
        return _failed(f"its names are taken: {names.get('message')}")
    if condition(live, "Established").get("status") == "True":
        return READY
    return _waiting("the API server does not serve it yet")


def _api_service(live: Mapping[str, Any], _: Related) -> Verdict:
    available = condition(live, "Available")
    if available.get("status") == "True":
        return READY
    return _waiting(f"it is not available: {available.get('message', 'nobody has looked yet')}")


RULES: Mapping[GroupKind, Rule] = {
    GroupKind("", "Namespace"): _namespace,
    GroupKind("", "PersistentVolume"): _volume,
    GroupKind("", "PersistentVolumeClaim"): _claim,
    GroupKind("", "Pod"): _pod,
    GroupKind("", "Service"): _service,
    GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    GroupKind("apiregistration.k8s.io", "APIService"): _api_service,
    GroupKind("apps", "DaemonSet"): _daemon_set,
    GroupKind("apps", "Deployment"): _deployment,
    GroupKind("apps", "ReplicaSet"): _replica_set,
    GroupKind("apps", "StatefulSet"): _stateful_set,
    GroupKind("batch", "Job"): _job,
}
"""How each kind tells that it is ready."""

TIMEOUT_SECONDS: Mapping[GroupKind, float] = {
    GroupKind("", "PersistentVolumeClaim"): 300.0,
    GroupKind("", "Pod"): 300.0,
}
"""How long a kind may take where nobody says otherwise."""

TIMEOUT_DEFAULT_SECONDS = 600.0
"""As `TIMEOUT_SECONDS`, for all others."""
