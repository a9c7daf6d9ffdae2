"""The namespaces that the stack makes."""

from typing import Final, Literal

import pulumi
import pulumi_kubernetes as k8s

from infra.naming import App
from infra.versions import KUBERNETES_VERSION

WORKLOADS: Final = "ml"
MONITORING: Final = "monitoring"
STORAGE: Final = "storage"
GPU: Final = "gpu"

Level = Literal["restricted", "privileged"]
"""How much the pods of a namespace may do, in the words of Kubernetes' Pod Security."""


def restricted_namespace(name: str, opts: pulumi.ResourceOptions) -> k8s.core.v1.Namespace:
    """A namespace that admits only pods of the restricted Pod Security level."""
    return _namespace(name, "restricted", opts)


def privileged_namespace(name: str, opts: pulumi.ResourceOptions) -> k8s.core.v1.Namespace:
    """A namespace whose pods may be anything: only for those of the node itself, and for nothing beside them.

    What they are in fact is held by the policy pack, which names each right of each of them.
    """
    return _namespace(name, "privileged", opts)


def _namespace(name: str, level: Level, opts: pulumi.ResourceOptions) -> k8s.core.v1.Namespace:
    """Pinned to a version, so that a cluster's upgrade never starts to refuse pods that ran before it."""
    app = App(name=name, instance=name, component="namespace")
    security = {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in ("enforce", "audit", "warn")
        for suffix, value in (("", level), ("-version", f"v{KUBERNETES_VERSION}"))
    }
    return k8s.core.v1.Namespace(name, metadata={"name": name, "labels": {**app.labels, **security}}, opts=opts)
