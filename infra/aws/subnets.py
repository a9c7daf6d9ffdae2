"""How a network is divided among zones: pure arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Final

WIDEST_PREFIX: Final = 16
"""AWS takes no larger network."""

NARROWEST_PREFIX: Final = 20
"""A private subnet then has 1,019 addresses; a pod takes one each, and Auto Mode reserves them by sixteens."""

ZONE_LIMIT: Final = 3


@dataclass(frozen=True, kw_only=True)
class ZoneSubnets:
    """A zone's share of the network.

    Attributes:
        zone: such as `eu-central-1a`.
        public: for load balancers and NAT gateways.
        private: for nodes and pods.
    """

    zone: str
    public: IPv4Network
    private: IPv4Network


def zone_subnets(network: IPv4Network, zones: Sequence[str]) -> tuple[ZoneSubnets, ...]:
    """Gives each zone a quarter of the network for nodes, and a sixteenth for what faces the internet.

    A third zone added later moves neither of the first two: their subnets cannot be changed while anything is in them.

    Raises:
        ValueError: more zones than quarters that are left for them.
    """
    if len(zones) > ZONE_LIMIT:
        message = f"zones: {len(zones)}: a network is divided among {ZONE_LIMIT} at most"
        raise ValueError(message)
    *private, shared = network.subnets(prefixlen_diff=2)
    public = shared.subnets(prefixlen_diff=2)
    return tuple(
        ZoneSubnets(zone=zone, public=outer, private=inner)
        for zone, outer, inner in zip(zones, public, private, strict=False)
    )
