"""How Services are reached: from the VPC through a load balancer inside it, or from the internet through an ALB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pulumi
import pulumi_kubernetes as k8s

from infra.aws.login import Login
from infra.config.aws import ExposureConfig
from infra.config.oidc import OidcConfig
from infra.naming import PROJECT, App
from infra.platform import Audience, Endpoint

INGRESS_CLASS: Final = f"{PROJECT}-public"
_TLS_POLICY: Final = "ELBSecurityPolicy-TLS13-1-2-2021-06"
_HTTPS: Final = 443
_HEALTH_PATH: Final = "/ready"
_DEREGISTRATION_SECONDS: Final = 5
"""A pod that drains serves eight seconds more (infra/workloads/scoring.py): by then nothing new is sent to it."""

if TYPE_CHECKING:
    # Evaluated, it would load a part of the SDK that only a public endpoint needs.
    from pulumi_kubernetes.networking.v1.outputs import IngressLoadBalancerStatus as _IngressLoadBalancer


@dataclass(kw_only=True)
class Exposure:
    """How every Service of the stack is reached.

    Pulumi waits, when it deletes a Service or an Ingress, until its load balancer is gone.

    Attributes:
        config: whether clients come from the internet.
        oidc: how they log in; None where nobody has to.
        tags: on load balancers, which the cluster makes and not the AWS provider.
        network_cidr: where clients come from when the configuration names nothing else.
    """

    config: ExposureConfig
    oidc: OidcConfig | None
    tags: Mapping[str, str]
    network_cidr: str
    load_balancers: dict[str, pulumi.Output[str]] = field(default_factory=dict)
    """Name of each public endpoint to the host name that its DNS record has to point to."""

    def public_class(self, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        """What a public Ingress needs: one ALB for all of them. Nothing where there are none."""
        if not self.config.public:
            return []
        app = App(name="exposure", instance="public", component="load-balancing")
        parameters = k8s.apiextensions.CustomResource(
            INGRESS_CLASS,
            api_version="eks.amazonaws.com/v1",
            kind="IngressClassParams",
            metadata={"name": INGRESS_CLASS, "labels": app.labels},
            spec={
                "scheme": "internet-facing",
                "group": {"name": INGRESS_CLASS},
                "tags": [{"key": key, "value": value} for key, value in self.tags.items()],
            },
            opts=opts,
        )
        ingress_class = k8s.networking.v1.IngressClass(
            INGRESS_CLASS,
            metadata={"name": INGRESS_CLASS, "labels": app.labels},
            spec={
                "controller": "eks.amazonaws.com/alb",
                "parameters": {
                    "api_group": "eks.amazonaws.com",
                    "kind": "IngressClassParams",
                    "name": INGRESS_CLASS,
                },
            },
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[parameters])),
        )
        return [parameters, ingress_class]

    def expose(
        self, endpoint: Endpoint, public_class: Sequence[pulumi.Resource], opts: pulumi.ResourceOptions
    ) -> pulumi.Output[str]:
        """The Service of an endpoint and what leads to it; its URL."""
        if endpoint.audience is Audience.OPERATORS:
            # No way in from outside: operators come through the API server, `kubectl port-forward`.
            self._service(endpoint, opts)
            return endpoint.cluster_url
        if self.config.public:
            service = self._service(endpoint, opts)
            login = None if self.oidc is None else Login(endpoint, self.oidc, opts)
            before = [service, *public_class, *(login.ready if login else ())]
            after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=before))
            return self._public(endpoint, login, after)
        return self._internal(endpoint, opts)

    def _service(self, endpoint: Endpoint, opts: pulumi.ResourceOptions) -> k8s.core.v1.Service:
        return k8s.core.v1.Service(
            endpoint.name,
            metadata=endpoint.metadata,
            spec={"type": "ClusterIP", "selector": endpoint.app.selector, "ports": [endpoint.service_port]},
            opts=opts,
        )

    def _internal(self, endpoint: Endpoint, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        prefix = "service.beta.kubernetes.io/aws-load-balancer"
        service = k8s.core.v1.Service(
            endpoint.name,
            metadata={
                **endpoint.metadata,
                "annotations": {
                    f"{prefix}-scheme": "internal",
                    f"{prefix}-nlb-target-type": "ip",
                    f"{prefix}-healthcheck-protocol": "HTTP",
                    f"{prefix}-healthcheck-path": _HEALTH_PATH,
                    f"{prefix}-healthcheck-interval": "5",
                    f"{prefix}-healthcheck-timeout": "2",
                    f"{prefix}-target-group-attributes": (
                        f"deregistration_delay.timeout_seconds={_DEREGISTRATION_SECONDS}"
                    ),
                    f"{prefix}-additional-resource-tags": _joined(self.tags),
                },
            },
            spec={
                "type": "LoadBalancer",
                "load_balancer_class": "eks.amazonaws.com/nlb",
                "load_balancer_source_ranges": list(self.config.allowed_cidrs) or [self.network_cidr],
                # Pods are targets themselves: no port of a node is opened.
                "allocate_load_balancer_node_ports": False,
                "selector": endpoint.app.selector,
                "ports": [endpoint.service_port],
            },
            opts=opts,
        )
        host = service.status.apply(lambda status: _first_host(status.load_balancer if status else None))
        return pulumi.Output.format("http://{0}:{1}", host, endpoint.port)

    def _public(self, endpoint: Endpoint, login: Login | None, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        prefix = "alb.ingress.kubernetes.io"
        host = f"{endpoint.app.instance}.{self.config.domain}"
        ingress = k8s.networking.v1.Ingress(
            endpoint.name,
            metadata={
                **endpoint.metadata,
                "annotations": {
                    f"{prefix}/target-type": "ip",
                    # No plain HTTP, not even to redirect: a client's first request would carry its data in the open.
                    f"{prefix}/listen-ports": f'[{{"HTTPS":{_HTTPS}}}]',
                    f"{prefix}/certificate-arn": str(self.config.certificate_arn),
                    f"{prefix}/ssl-policy": _TLS_POLICY,
                    f"{prefix}/inbound-cidrs": ",".join(self.config.allowed_cidrs),
                    f"{prefix}/healthcheck-path": _HEALTH_PATH,
                    f"{prefix}/healthcheck-interval-seconds": "5",
                    f"{prefix}/healthcheck-timeout-seconds": "2",
                    f"{prefix}/target-group-attributes": (
                        f"deregistration_delay.timeout_seconds={_DEREGISTRATION_SECONDS}"
                    ),
                    **(login.annotations if login else {}),
                },
            },
            spec={
                "ingress_class_name": INGRESS_CLASS,
                "rules": [
                    {
                        "host": host,
                        "http": {
                            "paths": [
                                {
                                    "path": "/v1",
                                    "path_type": "Prefix",
                                    "backend": {
                                        "service": {"name": endpoint.name, "port": {"number": endpoint.port}},
                                    },
                                }
                            ]
                        },
                    }
                ],
            },
            opts=opts,
        )
        self.load_balancers[endpoint.name] = ingress.status.apply(
            lambda status: _first_host(status.load_balancer if status else None)
        )
        return pulumi.Output.from_input(f"https://{host}")


def _joined(tags: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in tags.items())


def _first_host(
    load_balancer: "k8s.core.v1.outputs.LoadBalancerStatus | _IngressLoadBalancer | None",
) -> str:
    """Pulumi waits for the load balancer, so there is one; without it the answer says so instead of failing."""
    hosts = [entry.hostname for entry in (load_balancer and load_balancer.ingress) or () if entry.hostname]
    return hosts[0] if hosts else "pending"
