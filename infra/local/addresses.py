"""Where pods of any cluster at hand find what is no pod of the stack. Pure."""

from types import MappingProxyType
from typing import Final

from infra.connections.parties import ANY_ADDRESS, ANY_POD, Addresses, Outside, Place, Pods, Port, Surroundings
from infra.namespaces import STORAGE

OBJECT_STORE: Final = Pods(name="object-store", namespace=STORAGE, app="object-store")

_DNS: Final = Pods(name="dns", namespace="kube-system")
_NODE_LOCAL_DNS: Final = Addresses(cidr="169.254.20.10/32")
"""Where a cluster with a cache of names on each node has it, by Kubernetes' own manifest."""

SURROUNDINGS: Final[Surroundings] = MappingProxyType(
    {
        Outside.NAMES: [
            Place(
                peers=(_DNS, _NODE_LOCAL_DNS),
                # A policy sees the port of the pod behind the Service: CoreDNS that is not root listens on 1053.
                ports=(Port(53, "UDP"), Port(53), Port(1053, "UDP"), Port(1053)),
            )
        ],
        # Any cluster: nobody here knows the address of its API server, and these are the ports that one has.
        Outside.API_SERVER: [Place(peers=(ANY_ADDRESS,), ports=(Port(443), Port(6443)))],
        Outside.OBJECT_STORE: [Place(peers=(OBJECT_STORE,), ports=(Port(7070),))],
        # Through a port of the node, or from inside the cluster.
        Outside.CLIENTS: [Place(peers=(ANY_ADDRESS, ANY_POD))],
    }
)
