"""What Kubernetes' network policies let through, worked out from the objects as rendered.

The semantics are those of `networking.k8s.io/v1`: a pod that no policy chooses for a direction may do anything in it;
one that is chosen may do what any of those policies lists, and a connection needs both of its ends. A pod has an
address too: where pods and nodes share a network, a block of addresses that holds nodes holds pods.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from tests.infra.harness import Json, Rendered

NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Something that sends or is sent to.

    Attributes:
        name: for people.
        address: where it is.
        namespace: of a pod; none for what is no pod.
        labels: of a pod.
        ports: of a pod, those that its containers declare.
    """

    name: str
    address: str
    namespace: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()

    def __str__(self) -> str:
        """As tables name it."""
        return self.name


class Cluster:
    """The policies and namespaces of a stack."""

    def __init__(self, rendered: Rendered) -> None:
        """Reads them."""
        self._policies: list[Json] = [policy.inputs for policy in rendered.of_type("NetworkPolicy")]

    def allows(self, source: Endpoint, destination: Endpoint, port: int, protocol: str = "TCP") -> bool:
        """Whether a connection is let out at one end and in at the other."""
        return self._passes("Egress", source, destination, port, protocol) and self._passes(
            "Ingress", destination, source, port, protocol
        )

    def _passes(self, direction: str, subject: Endpoint, other: Endpoint, port: int, protocol: str) -> bool:
        if subject.namespace is None:
            return True
        specs = [
            policy["spec"]
            for policy in self._policies
            if policy["metadata"]["namespace"] == subject.namespace
            and direction in policy["spec"]["policyTypes"]
            and _chosen(policy["spec"]["podSelector"], subject.labels)
        ]
        rules, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
        return not specs or any(
            _ports_match(rule.get("ports"), port, protocol) and _peers_match(rule.get(peers), other)
            for spec in specs
            for rule in spec.get(rules, [])
        )


def _ports_match(ports: Json, port: int, protocol: str) -> bool:
    if not ports:
        return True
    return any(
        entry.get("protocol", "TCP") == protocol
        and (entry.get("port") is None or entry["port"] <= port <= entry.get("endPort", entry["port"]))
        for entry in ports
    )


def _peers_match(peers: Json, other: Endpoint) -> bool:
    return not peers or any(_is(peer, other) for peer in peers)


def _is(peer: Json, other: Endpoint) -> bool:
    if "ipBlock" in peer:
        address = IPv4Address(other.address)
        block = peer["ipBlock"]
        excepted = any(address in IPv4Network(network) for network in block.get("except", []))
        return address in IPv4Network(block["cidr"]) and not excepted
    # A pod selector alone would mean the policy's own namespace; the program always names it.
    assert "namespaceSelector" in peer, peer
    return (
        other.namespace is not None
        and _chosen(peer["namespaceSelector"], {NAMESPACE_LABEL: other.namespace})
        and _chosen(peer.get("podSelector", {}), other.labels)
    )


def _chosen(selector: Json, labels: Mapping[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels"}, selector
    wanted: Mapping[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def pods(rendered: Rendered, network: str) -> dict[str, Endpoint]:
    """A pod of each workload, at an address of its own in a network; by the workload's name."""
    addresses = IPv4Network(network).hosts()
    found = {}
    for workload in rendered.workloads:
        if "containers" not in workload.pod:  # a node pool
            continue
        metadata = workload.inputs["metadata"]
        found[workload.name] = Endpoint(
            name=workload.name,
            address=str(next(addresses)),
            namespace=metadata["namespace"],
            labels=workload.pod_template["metadata"]["labels"],
            ports=tuple(port["containerPort"] for each in workload.containers for port in each.get("ports", [])),
        )
    return found
