"""How a network is divided."""

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.aws.subnets import NARROWEST_PREFIX, WIDEST_PREFIX, ZONE_LIMIT, zone_subnets

ZONES = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
networks = st.tuples(st.integers(0, 2**32 - 1), st.integers(WIDEST_PREFIX, NARROWEST_PREFIX)).map(
    lambda parts: IPv4Network(parts, strict=False)
)


@given(networks, st.integers(2, ZONE_LIMIT))
def test_subnets_lie_inside_the_network_and_apart_from_each_other(network: IPv4Network, zones: int) -> None:
    """AWS refuses anything else, in the middle of an `up`."""
    subnets = [subnet for zone in zone_subnets(network, ZONES[:zones]) for subnet in (zone.public, zone.private)]
    assert len(subnets) == 2 * zones
    assert all(subnet.subnet_of(network) for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))


@given(networks)
def test_every_zone_has_the_same_room_and_nodes_have_most_of_it(network: IPv4Network) -> None:
    """A quarter of the network for nodes, a sixteenth for load balancers."""
    for zone in zone_subnets(network, ZONES):
        assert zone.private.prefixlen == network.prefixlen + 2
        assert zone.public.prefixlen == network.prefixlen + 4


@given(networks)
def test_a_third_zone_moves_neither_of_the_first_two(network: IPv4Network) -> None:
    """A subnet cannot change while anything is in it."""
    assert zone_subnets(network, ZONES)[:2] == zone_subnets(network, ZONES[:2])


def test_the_narrowest_network_has_a_thousand_addresses_a_zone() -> None:
    """Each pod takes one."""
    first, *_ = zone_subnets(IPv4Network(f"10.0.0.0/{NARROWEST_PREFIX}"), ZONES)
    assert first.private.num_addresses == 1024


def test_more_zones_than_there_is_room_for_are_refused() -> None:
    """The configuration refuses them before; this is no silent loss of a zone."""
    with pytest.raises(ValueError, match="zones: 4"):
        zone_subnets(IPv4Network("10.0.0.0/16"), [*ZONES, "eu-central-1d"])
