"""How a Service is reached from outside a cluster that has no load balancer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_kubernetes as k8s

from infra.local.node_ports import node_port
from infra.platform import Endpoint


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How every Service of the stack is reached.

    Attributes:
        kind: `node_port`, on 127.0.0.1 of the node or of what relays its ports; or `cluster_ip`, from inside alone.
        models: names of the stack's models, in the order of the configuration.
    """

    kind: Literal["node_port", "cluster_ip"]
    models: Sequence[str]

    def expose(
        self, endpoint: Endpoint, opts: pulumi.ResourceOptions
    ) -> tuple[k8s.core.v1.Service, pulumi.Output[str]]:
        """The Service of an endpoint, and its URL."""
        port = endpoint.service_port
        if self.kind == "node_port":
            number = node_port(endpoint.app, self.models)
            port["node_port"] = number
            url = pulumi.Output.from_input(f"http://127.0.0.1:{number}")
        else:
            url = endpoint.cluster_url
        service = k8s.core.v1.Service(
            endpoint.name,
            metadata=endpoint.metadata,
            spec={
                "type": "NodePort" if self.kind == "node_port" else "ClusterIP",
                "selector": endpoint.app.selector,
                "ports": [port],
            },
            opts=opts,
        )
        return service, url
