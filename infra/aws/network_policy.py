"""What makes EKS Auto Mode keep to network policies: without it they are accepted, and nothing is stopped."""

from typing import Final

import pulumi
import pulumi_kubernetes as k8s

from infra.naming import App

NODE_CLASS_FIELDS: Final = {
    # Every pod on such a node may be held to policies. Those that no policy chooses go on as before: with DefaultDeny
    # the add-ons, in namespaces that are not the stack's, would be cut off.
    "networkPolicy": "DefaultAllow",
    # In a file of the node: the only trace that a connection which was stopped leaves.
    "networkPolicyEventLogs": "Enabled",
}
"""What a node class says of it."""


def enforce(opts: pulumi.ResourceOptions) -> k8s.core.v1.ConfigMap:
    """Turns the controller on, for the whole cluster. EKS looks for it under this name and no other."""
    app = App(name="network-policy", instance="amazon-vpc-cni", component="network")
    return k8s.core.v1.ConfigMap(
        "network-policy-controller",
        metadata={"name": "amazon-vpc-cni", "namespace": "kube-system", "labels": app.labels},
        data={"enable-network-policy-controller": "true"},
        opts=opts,
    )
