"""Who may talk to what watches the stack."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pulumi
import pulumi_kubernetes as k8s

from infra.namespaces import WORKLOADS
from infra.naming import App

if TYPE_CHECKING:
    from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgsDict


def only_from(  # noqa: PLR0913 - what a policy says
    name: str,
    namespace: pulumi.Input[str],
    app: App,
    port: int,
    callers: Sequence[App],
    opts: pulumi.ResourceOptions,
    *,
    workloads: Sequence[App] = (),
) -> k8s.networking.v1.NetworkPolicy:
    """Lets these applications, of the same namespace and of the workloads', reach one port of `app`, and nobody else.

    People come through the API server (`kubectl port-forward`), which reaches a pod from its own node and is not asked.
    """
    peers: list[NetworkPolicyPeerArgsDict] = [{"pod_selector": {"match_labels": caller.selector}} for caller in callers]
    peers += (
        {
            "namespace_selector": {"match_labels": {"kubernetes.io/metadata.name": WORKLOADS}},
            "pod_selector": {"match_labels": caller.selector},
        }
        for caller in workloads
    )
    return k8s.networking.v1.NetworkPolicy(
        name,
        metadata={"name": name, "namespace": namespace, "labels": app.labels},
        spec={
            "pod_selector": {"match_labels": app.selector},
            "policy_types": ["Ingress"],
            "ingress": [
                {
                    "from_": peers,
                    "ports": [{"protocol": "TCP", "port": port}],
                }
            ]
            if peers
            else [],
        },
        opts=opts,
    )
