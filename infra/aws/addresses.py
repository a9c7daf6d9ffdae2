"""Where pods of an EKS cluster find what is no pod of the stack. Pure."""

from ipaddress import IPv4Network
from typing import Final

from infra.aws.subnets import zone_subnets
from infra.config.aws import AwsConfig
from infra.connections.parties import Addresses, Outside, Peer, Place, Pods, Port, Surroundings

_API_SERVICE: Final = 1
"""Of the network of Services, the address that Kubernetes gives the API server."""
_DNS_SERVICE: Final = 10
"""Of the network of Services, the address that EKS gives DNS."""

_LINK_LOCAL: Final = Addresses(cidr="169.254.0.0/16")
_POD_IDENTITY: Final = Addresses(cidr="169.254.170.23/32")
"""The agent on each node that gives a pod the credentials of its role."""

_HTTPS: Final = (Port(443),)


def surroundings(config: AwsConfig) -> Surroundings:
    """Of an environment.

    In Auto Mode, DNS is no pod but a process of each node, and so is what exports the node's metrics: no label chooses
    them, only addresses do. The exception is narrower than what is excepted from: the CNI goes by the longest match.
    """
    subnets = zone_subnets(IPv4Network(config.network.cidr), config.network.zones)
    nodes = tuple(Addresses(cidr=str(zone.private)) for zone in subnets)
    services = IPv4Network(config.cluster.service_cidr)
    not_s3 = (config.network.cidr, config.cluster.service_cidr)
    return {
        Outside.NAMES: [
            Place(peers=(_one(services, _DNS_SERVICE), *nodes, _LINK_LOCAL), ports=(Port(53, "UDP"), Port(53)))
        ],
        # Its network interfaces lie in the subnets that the cluster was given, at addresses that change.
        Outside.API_SERVER: [Place(peers=(_one(services, _API_SERVICE), *nodes), ports=_HTTPS)],
        Outside.OBJECT_STORE: [
            # S3 has addresses of the internet, and goes past it through the gateway.
            Place(peers=(Addresses(cidr="0.0.0.0/0", without=not_s3),), ports=_HTTPS),
            Place(peers=(_POD_IDENTITY,), ports=(Port(80),)),
        ],
        Outside.CLUSTER_METRICS: [
            Place(peers=(Pods(name="kube-state-metrics", namespace="kube-state-metrics"),), ports=(Port(8080),)),
            Place(peers=nodes, ports=(Port(9100),)),
        ],
        Outside.CLIENTS: [Place(peers=_load_balancers(config))],
    }


def _load_balancers(config: AwsConfig) -> tuple[Peer, ...]:
    """The subnets that hold them. With pods as targets they hide the client's address; it is they who ask for it."""
    subnets = zone_subnets(IPv4Network(config.network.cidr), config.network.zones)
    return tuple(Addresses(cidr=str(zone.public if config.exposure.public else zone.private)) for zone in subnets)


def _one(network: IPv4Network, number: int) -> Addresses:
    return Addresses(cidr=f"{network[number]}/32")
