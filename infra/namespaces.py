"""The namespaces that the stack makes."""

from typing import Final

import pulumi
import pulumi_kubernetes as k8s

from infra.naming import App
from infra.versions import KUBERNETES_VERSION

WORKLOADS: Final = "ml"
MONITORING: Final = "monitoring"
STORAGE: Final = "storage"


def restricted_namespace(name: str, opts: pulumi.ResourceOptions) -> k8s.core.v1.Namespace:
    """A namespace that admits only pods of the restricted Pod Security level.

    Pinned to a version, so that a cluster's upgrade never starts to refuse pods that ran before it.
    """
    app = App(name=name, instance=name, component="namespace")
    security = {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in ("enforce", "audit", "warn")
        for suffix, value in (("", "restricted"), ("-version", f"v{KUBERNETES_VERSION}"))
    }
    return k8s.core.v1.Namespace(name, metadata={"name": name, "labels": {**app.labels, **security}}, opts=opts)
