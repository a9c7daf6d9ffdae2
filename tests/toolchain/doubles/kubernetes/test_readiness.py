"""When an object is ready, on statuses as API servers report them."""

from typing import Any

import pytest

from toolchain.doubles.kubernetes.objects import group_kind
from toolchain.doubles.kubernetes.readiness import RULES, Phase, Related, judge

READY, WAITING, FAILED = Phase.READY, Phase.WAITING, Phase.FAILED


def _object(api_version: str, kind: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": "it", "namespace": "ml", "generation": 2}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec, "status": status}


def _deployment(spec: dict[str, Any] | None = None, **status: object) -> dict[str, Any]:
    return _object("apps/v1", "Deployment", {"replicas": 2, **(spec or {})}, {"observedGeneration": 2, **status})


def _stateful_set(spec: dict[str, Any] | None = None, **status: object) -> dict[str, Any]:
    common = {"observedGeneration": 2, "currentRevision": "a", "updateRevision": "a"}
    return _object("apps/v1", "StatefulSet", {"replicas": 2, **(spec or {})}, {**common, **status})


def _daemon_set(wanted: int, updated: int, available: int) -> dict[str, Any]:
    counts = {"desiredNumberScheduled": wanted, "updatedNumberScheduled": updated, "numberAvailable": available}
    return _object("apps/v1", "DaemonSet", {}, {"observedGeneration": 2, **counts})


def _job(spec: dict[str, Any] | None = None, **status: object) -> dict[str, Any]:
    return _object("batch/v1", "Job", spec or {}, dict(status))


def _claim(storage_class: str | None = None, **status: object) -> dict[str, Any]:
    spec = {} if storage_class is None else {"storageClassName": storage_class}
    return _object("v1", "PersistentVolumeClaim", spec, dict(status))


def _service(**spec: object) -> dict[str, Any]:
    return _object("v1", "Service", {"clusterIP": "10.0.0.1", **spec}, {})


def _core(kind: str, **status: object) -> dict[str, Any]:
    return _object("v1", kind, {}, dict(status))


def _definition(*conditions: dict[str, str]) -> dict[str, Any]:
    return _object("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, {"conditions": list(conditions)})


def _api_service(*conditions: dict[str, str]) -> dict[str, Any]:
    return _object("apiregistration.k8s.io/v1", "APIService", {}, {"conditions": list(conditions)})


def _condition(name: str, status: str = "True", **more: str) -> dict[str, str]:
    return {"type": name, "status": status, **more}


STALLED = _condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="web-1 has timed out")
FORBIDDEN = _condition("ReplicaFailure", reason="FailedCreate", message="exceeded quota: compute")
TOO_LONG = _condition("Failed", reason="DeadlineExceeded", message="it took too long")
PARTITION = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}
SELECTOR = {"selector": {"app": "web"}}

CASES: dict[str, tuple[dict[str, Any], Phase, str]] = {
    "deployment not looked at": (_deployment(observedGeneration=1, updatedReplicas=2), WAITING, "controller"),
    "deployment rolling": (_deployment(replicas=2, updatedReplicas=1), WAITING, "1 of 2 new pods"),
    "deployment with old pods": (_deployment(replicas=3, updatedReplicas=2), WAITING, "1 old pods"),
    "deployment starting": (_deployment(updatedReplicas=2, availableReplicas=1), WAITING, "1 of 2 pods are available"),
    "deployment ready": (_deployment(replicas=2, updatedReplicas=2, availableReplicas=2), READY, ""),
    "deployment scaled to zero": (_deployment({"replicas": 0}), READY, ""),
    "deployment paused": (_deployment({"paused": True}), READY, ""),
    "deployment stalled": (_deployment(updatedReplicas=2, conditions=[STALLED]), FAILED, "timed out"),
    "deployment refused pods": (_deployment(conditions=[FORBIDDEN]), WAITING, "exceeded quota"),
    "stateful set starting": (_stateful_set(readyReplicas=1), WAITING, "1 of 2 pods are ready"),
    "stateful set rolling": (_stateful_set(readyReplicas=2, updatedReplicas=1), WAITING, "1 of 2 pods are updated"),
    "stateful set shrinking": (
        _stateful_set(readyReplicas=2, updatedReplicas=2, replicas=3),
        WAITING,
        "1 pods are still to go",
    ),
    "stateful set ready": (_stateful_set(readyReplicas=2, updatedReplicas=2, replicas=2), READY, ""),
    "stateful set up to its partition": (
        _stateful_set(PARTITION, readyReplicas=2, updatedReplicas=1, updateRevision="b"),
        READY,
        "",
    ),
    "stateful set on delete": (_stateful_set({"updateStrategy": {"type": "OnDelete"}}, readyReplicas=2), READY, ""),
    "replica set starting": (
        _object("apps/v1", "ReplicaSet", {}, {"observedGeneration": 2}),
        WAITING,
        "0 of 1 pods are available",
    ),
    "daemon set rolling": (_daemon_set(2, 1, 0), WAITING, "1 of 2 nodes"),
    "daemon set starting": (_daemon_set(1, 1, 0), WAITING, "0 of 1 pods"),
    "daemon set ready": (_daemon_set(1, 1, 1), READY, ""),
    "job running": (_job(active=1, failed=2), WAITING, "1 pods are active, 0 succeeded, 2 failed"),
    "job complete": (_job(succeeded=1, conditions=[_condition("Complete")]), READY, ""),
    "job failed": (_job(conditions=[TOO_LONG]), FAILED, "DeadlineExceeded"),
    "job suspended": (_job({"suspend": True}), READY, ""),
    "claim bound": (_claim(phase="Bound"), READY, ""),
    "claim lost": (_claim(phase="Lost"), FAILED, "lost"),
    "claim without default class": (_claim(phase="Pending"), WAITING, "no default storage class"),
    "claim of unknown class": (_claim("fast", phase="Pending"), WAITING, "no storage class 'fast'"),
    "volume pending": (_core("PersistentVolume", phase="Pending"), WAITING, "Pending"),
    "volume available": (_core("PersistentVolume", phase="Available"), READY, ""),
    "volume failed": (_core("PersistentVolume", phase="Failed", message="no disk"), FAILED, "no disk"),
    "service without selector": (_service(), READY, ""),
    "service headless": (_service(**SELECTOR, clusterIP="None"), READY, ""),
    "service by name": (_service(**SELECTOR, type="ExternalName"), READY, ""),
    "service with nothing behind it": (_service(**SELECTOR), WAITING, "app=web finds no pod"),
    "service with a load balancer": (_service(**SELECTOR, type="LoadBalancer"), WAITING, "no address"),
    "namespace going": (_core("Namespace", phase="Terminating"), WAITING, "Terminating"),
    "namespace active": (_core("Namespace", phase="Active"), READY, ""),
    "pod pending": (_core("Pod", phase="Pending"), WAITING, "Pending"),
    "pod evicted": (_core("Pod", phase="Failed", reason="Evicted"), FAILED, "Evicted"),
    "pod done": (_core("Pod", phase="Succeeded"), READY, ""),
    "pod ready": (_core("Pod", phase="Running", conditions=[_condition("Ready")]), READY, ""),
    "definition new": (_definition(), WAITING, "serve"),
    "definition established": (_definition(_condition("Established")), READY, ""),
    "definition refused": (_definition(_condition("NamesAccepted", "False", message="in use")), FAILED, "in use"),
    "API service down": (_api_service(_condition("Available", "False", message="no pods")), WAITING, "no pods"),
    "API service up": (_api_service(_condition("Available")), READY, ""),
    "kind without a rule": (_core("ConfigMap"), READY, ""),
}


@pytest.mark.parametrize(("live", "phase", "message"), CASES.values(), ids=CASES.keys())
def test_a_status_is_judged(live: dict[str, Any], phase: Phase, message: str) -> None:
    """And what is missing is said."""
    verdict = judge(live)
    assert verdict.phase is phase, verdict.message
    assert message in verdict.message


def test_every_rule_has_a_case_that_is_not_ready() -> None:
    """A rule that is always ready would be none."""
    assert {group_kind(live) for live, phase, _ in CASES.values() if phase is not READY} == set(RULES)


@pytest.mark.parametrize(("conditions", "phase"), [({"ready": True}, READY), ({}, READY), ({"ready": False}, WAITING)])
def test_a_service_is_ready_with_one_ready_pod(conditions: dict[str, bool], phase: Phase) -> None:
    """A slice that says nothing of readiness counts as ready, as the API defines it."""
    related = Related(endpoint_slices=[{"endpoints": None}, {"endpoints": [{"conditions": conditions}]}])
    assert judge(_service(**SELECTOR), related).phase is phase


def test_a_claim_that_waits_for_its_pod_is_ready() -> None:
    """The pod comes later in the same `up`."""
    related = Related(storage_class={"volumeBindingMode": "WaitForFirstConsumer"})
    assert judge(_claim(phase="Pending"), related).phase is READY
