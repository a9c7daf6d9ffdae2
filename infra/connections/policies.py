"""The network policies that let flows through, and nothing else. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from infra.connections.parties import Addresses, Flow, Peer, Pods, Port

if TYPE_CHECKING:
    # Evaluated, they would load a part of the SDK before it is needed.
    from pulumi_kubernetes.meta.v1 import LabelSelectorArgsDict
    from pulumi_kubernetes.networking.v1 import (
        IPBlockArgsDict,
        NetworkPolicyEgressRuleArgsDict,
        NetworkPolicyIngressRuleArgsDict,
        NetworkPolicyPeerArgsDict,
        NetworkPolicyPortArgsDict,
        NetworkPolicySpecArgsDict,
    )

_BOTH: Final = ("Ingress", "Egress")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What one part of a namespace may send and be sent.

    Attributes:
        pods: of the part.
        incoming: who may connect to which of its ports.
        outgoing: whom it may connect to.
    """

    pods: Pods
    incoming: Sequence[Flow]
    outgoing: Sequence[Flow]

    @property
    def spec(self) -> "NetworkPolicySpecArgsDict":
        """The object's specification."""
        spec: NetworkPolicySpecArgsDict = {"pod_selector": _chosen(self.pods), "policy_types": list(_BOTH)}
        # An empty list is none to the API server, and would be told as a change.
        if self.incoming:
            spec["ingress"] = list(_incoming(self.incoming))
        if self.outgoing:
            spec["egress"] = list(_outgoing(self.outgoing))
        return spec


def policies(flows: Iterable[Flow], namespace: str) -> list[Policy]:
    """A policy for each part of a namespace that stands at either end of a flow, by name."""
    known = list(flows)
    parts = {end for flow in known for end in (flow.source, flow.destination) if isinstance(end, Pods)}
    return [
        Policy(
            pods=part,
            incoming=[flow for flow in known if flow.destination == part],
            outgoing=[flow for flow in known if flow.source == part],
        )
        for part in sorted((part for part in parts if part.namespace == namespace), key=lambda part: part.name)
    ]


def deny_all() -> "NetworkPolicySpecArgsDict":
    """Chooses every pod of a namespace, and lets nothing in or out; what others let through still passes."""
    return {"pod_selector": {}, "policy_types": list(_BOTH)}


def _incoming(flows: Sequence[Flow]) -> "Iterator[NetworkPolicyIngressRuleArgsDict]":
    for ports, group in groupby(sorted(flows, key=lambda flow: flow.ports), key=lambda flow: flow.ports):
        yield {"from_": [_peer(flow.source) for flow in group], "ports": _ports(ports)}


def _outgoing(flows: Sequence[Flow]) -> "Iterator[NetworkPolicyEgressRuleArgsDict]":
    for ports, group in groupby(sorted(flows, key=lambda flow: flow.ports), key=lambda flow: flow.ports):
        yield {"to": [_peer(flow.destination) for flow in group], "ports": _ports(ports)}


def _peer(peer: Peer) -> "NetworkPolicyPeerArgsDict":
    if isinstance(peer, Addresses):
        block: IPBlockArgsDict = {"cidr": peer.cidr}
        if peer.without:
            block["except_"] = list(peer.without)
        return {"ip_block": block}
    if peer.namespace is None:
        return {"namespace_selector": {}}
    # By the label that the API server gives to every namespace, and nobody else can.
    namespace = {"kubernetes.io/metadata.name": peer.namespace}
    return {"namespace_selector": {"match_labels": namespace}, "pod_selector": _chosen(peer)}


def _chosen(pods: Pods) -> "LabelSelectorArgsDict":
    return {"match_labels": pods.labels} if pods.labels else {}


def _ports(ports: Sequence[Port]) -> "list[NetworkPolicyPortArgsDict]":
    return [_port(port) for port in ports]


def _port(port: Port) -> "NetworkPolicyPortArgsDict":
    found: NetworkPolicyPortArgsDict = {"protocol": port.protocol, "port": port.number}
    if port.last is not None:
        found["end_port"] = port.last
    return found
