"""What may stand at either end of a connection. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Pods:
    """Pods that play one part.

    Attributes:
        name: of the part, and of the policy that lets its traffic through.
        namespace: where they are; none is any.
        app: the application that their labels name; none is any.
        component: its part in that application; none is any.
    """

    name: str
    namespace: str | None
    app: str | None = None
    component: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        """What all of them carry."""
        named = {"app.kubernetes.io/name": self.app, "app.kubernetes.io/component": self.component}
        return {key: value for key, value in named.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """IPv4 addresses that are no pods of the stack.

    Attributes:
        cidr: a network, or one address with `/32`.
        without: networks inside it that do not count.
    """

    cidr: str
    without: tuple[str, ...] = ()


ANY_ADDRESS: Final = Addresses(cidr="0.0.0.0/0")
ANY_POD: Final = Pods(name="any", namespace=None)

Peer = Pods | Addresses


@dataclass(frozen=True, order=True)
class Port:
    """A port that is connected to, as the pod or host behind it has it; or all of them up to a last one."""

    number: int
    protocol: str = "TCP"
    last: int | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something outside the table is found.

    Attributes:
        peers: who it may be.
        ports: of it; none where it is only ever a caller.
    """

    peers: tuple[Peer, ...]
    ports: tuple[Port, ...] = ()


class Outside(StrEnum):
    """What the table names and each stack has in places of its own."""

    NAMES = "names"
    """What answers DNS. Whoever calls anybody asks it first, so that no row has to say so."""
    API_SERVER = "api-server"
    OBJECT_STORE = "object-store"
    """With what a pod gets its credentials from, where it has an identity instead of a key."""
    CLUSTER_METRICS = "cluster-metrics"
    """What exports metrics of the cluster itself, apart from the stack's own pods."""
    CLIENTS = "clients"
    """Whoever asks for predictions, as a pod sees them: behind a load balancer that is the load balancer."""
    REMOTE_WRITE = "remote-write"
    RECEIVERS = "receivers"
    """Of alerts: mail, chat, whoever is on call."""


Surroundings = Mapping[Outside, Sequence[Place]]
"""Where they are; what a stack has not is left out."""


@dataclass(frozen=True)
class Connection:
    """A row of the table: one side opens connections to the other.

    Attributes:
        caller: who opens them.
        callee: who answers.
        port: of the callee, or several in a row; what is outside has its own.
    """

    caller: Pods | Outside
    callee: Pods | Outside
    port: int | range | None = None


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A connection between peers that both are found."""

    source: Peer
    destination: Peer
    ports: tuple[Port, ...]
