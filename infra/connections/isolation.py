"""Cuts off every pod of the stack from what it has no business with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s

from infra.connections.parties import Flow
from infra.connections.policies import deny_all, policies
from infra.naming import App

DENY: Final = "deny-by-default"


@dataclass(frozen=True, kw_only=True)
class IsolationArgs:
    """What is cut off, and what still passes.

    Attributes:
        namespaces: that the stack makes, by name.
        flows: what passes.
    """

    namespaces: Mapping[str, k8s.core.v1.Namespace]
    flows: Sequence[Flow]


class Isolation(pulumi.ComponentResource):
    """A policy for each part of the stack, and for each namespace one that stops everything else.

    What lets traffic through is made first and goes last: an `up` that adds the one which stops it, or a destroy, cuts
    off nobody in between.
    """

    def __init__(self, name: str, args: IsolationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the policies of every namespace."""
        super().__init__("realtime-ml:connections:Isolation", name, None, opts)
        for namespace, made in args.namespaces.items():
            app = App(name="isolation", instance=namespace, component="network")
            allowing = [
                k8s.networking.v1.NetworkPolicy(
                    policy.pods.name,
                    metadata={"name": policy.pods.name, "namespace": made.metadata.name, "labels": app.labels},
                    spec=policy.spec,
                    opts=pulumi.ResourceOptions(parent=self),
                )
                for policy in policies(args.flows, namespace)
            ]
            k8s.networking.v1.NetworkPolicy(
                f"{DENY}-{namespace}",
                metadata={"name": DENY, "namespace": made.metadata.name, "labels": app.labels},
                spec=deny_all(),
                opts=pulumi.ResourceOptions(parent=self, depends_on=allowing),
            )
        self.register_outputs({})
