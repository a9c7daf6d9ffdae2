"""Who may talk to what watches the stack."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from infra.naming import App


def only_from(
    name: str, namespace: pulumi.Input[str], app: App, port: int, callers: Sequence[App], opts: pulumi.ResourceOptions
) -> k8s.networking.v1.NetworkPolicy:
    """Lets the pods of these applications, in the same namespace, reach one port of `app`, and nobody else.

    People come through the API server (`kubectl port-forward`), which reaches a pod from its own node and is not asked.
    """
    return k8s.networking.v1.NetworkPolicy(
        name,
        metadata={"name": name, "namespace": namespace, "labels": app.labels},
        spec={
            "pod_selector": {"match_labels": app.selector},
            "policy_types": ["Ingress"],
            "ingress": [
                {
                    "from_": [{"pod_selector": {"match_labels": caller.selector}} for caller in callers],
                    "ports": [{"protocol": "TCP", "port": port}],
                }
            ]
            if callers
            else [],
        },
        opts=opts,
    )
