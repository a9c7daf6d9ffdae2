"""Pods that ask for more than there is: objects that the rehearsal makes to see nodes come and go (pure)."""

from toolchain.doubles.kubernetes.objects import KubernetesObject
from toolchain.rehearsal.nodes import GPU

NAMESPACE = "rehearsal"
RUNS = "rehearsal/runs"
_UNTIL_TOLD = "until-told"
_APP = "rehearsal/burst"


def namespace() -> KubernetesObject:
    """Where they run, under the restricted standard as the stack's own pods."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def gpu_job(pods: int) -> KubernetesObject:
    """A training run on so many pods with a GPU each, which ends when it is told."""
    spec = _pod_spec({"cpu": "1", "memory": "1Gi"}, {GPU: "1"})
    spec |= {"restartPolicy": "Never", "tolerations": [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]}
    metadata = {"labels": {_APP: "gpu"}, "annotations": {RUNS: _UNTIL_TOLD}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "gpu", "namespace": NAMESPACE},
        "spec": {"parallelism": pods, "completions": pods, "template": {"metadata": metadata, "spec": spec}},
    }


def cpu_deployment(pods: int) -> KubernetesObject:
    """So many pods that ask for one and a half cores each, which no node has left, and for no GPU."""
    labels = {_APP: "cpu"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cpu", "namespace": NAMESPACE},
        "spec": {
            "replicas": pods,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec({"cpu": "1500m", "memory": "1Gi"}, {})},
        },
    }


def told(pod: KubernetesObject) -> KubernetesObject:
    """What to apply to a pod of the job so that it ends."""
    metadata = {"name": pod["metadata"]["name"], "namespace": NAMESPACE, "uid": pod["metadata"]["uid"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "annotations": {RUNS: "told"}}}


def _pod_spec(requests: dict[str, str], limits: dict[str, str]) -> KubernetesObject:
    return {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "burst",
                "image": "rehearsal.invalid/burst:1",
                "resources": {"requests": {**requests, **limits}, "limits": limits},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    }
