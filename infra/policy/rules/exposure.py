"""Nothing is reached from everywhere unless the configuration says so."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Final

from infra.policy.model import UNKNOWN, Context, Finding, Json, Resource, Rule
from infra.policy.properties import at, entries, has_unknown, is_not, items

PUBLIC_ACCESS_BLOCK: Final = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"

_BLOCKS: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_SERVICE_SCHEME: Final = "service.beta.kubernetes.io/aws-load-balancer-scheme"
_INGRESS_SCHEME: Final = "alb.ingress.kubernetes.io/scheme"
_INGRESS_CIDRS: Final = "alb.ingress.kubernetes.io/inbound-cidrs"
_CIDR_KEYS: Final = ("cidrBlocks", "ipv6CidrBlocks", "cidrIpv4", "cidrIpv6")
_NARROW: Final = "name the networks that callers come from"


def bucket_is_blocked(resource: Resource, _: Context) -> Iterator[Finding]:
    """A bucket's public access block is complete: AWS takes a switch that is absent as off."""
    for key in _BLOCKS:
        value = at(resource.properties, key)
        if is_not(value, True):
            yield Finding(path=key, message=f"is {value!r}", way_out="set it to true")


def cluster_endpoint(resource: Resource, _: Context) -> Iterator[Finding]:
    """A cluster's API is private, or public to networks that are named; AWS takes absent values as public to all."""
    public = at(resource.properties, "vpcConfig.endpointPublicAccess")
    if public is False or public is UNKNOWN:
        return
    cidrs = at(resource.properties, "vpcConfig.publicAccessCidrs")
    if cidrs is None or cidrs == []:
        yield Finding(
            path="vpcConfig.publicAccessCidrs",
            message="absent, which is everywhere",
            way_out=f"set endpointPublicAccess to false, or {_NARROW}",
        )
    yield from _open("vpcConfig.publicAccessCidrs", cidrs)


def security_group(resource: Resource, context: Context) -> Iterator[Finding]:
    """A security group lets nobody in from everywhere but where the configuration names it."""
    if resource.name in context.open_to_internet:
        return
    if resource.type == "aws:ec2/securityGroupRule:SecurityGroupRule" and at(resource.properties, "type") == "egress":
        return
    if resource.type.endswith(":SecurityGroup"):
        for path, ingress in entries(resource.properties, "ingress"):
            for key in _CIDR_KEYS:
                yield from _open(f"{path}.{key}", at(ingress, key))
        return
    for key in _CIDR_KEYS:
        yield from _open(key, at(resource.properties, key))


def load_balancer(resource: Resource, context: Context) -> Iterator[Finding]:
    """A load balancer on the internet takes requests from networks that are named."""
    if resource.name in context.open_to_internet:
        return
    annotations = at(resource.properties, "metadata.annotations") or {}
    places: Mapping[str, tuple[Json, str, Json]] = {
        "Service": (
            _key(annotations, _SERVICE_SCHEME),
            "spec.loadBalancerSourceRanges",
            at(resource.properties, "spec.loadBalancerSourceRanges"),
        ),
        "Ingress": (
            _key(annotations, _INGRESS_SCHEME),
            f"metadata.annotations[{_INGRESS_CIDRS}]",
            _listed(_key(annotations, _INGRESS_CIDRS)),
        ),
        "IngressClassParams": (
            at(resource.properties, "spec.scheme"),
            "spec.inboundCIDRs",
            at(resource.properties, "spec.inboundCIDRs"),
        ),
    }
    scheme, path, cidrs = places[resource.type.rsplit(":", 1)[-1]]
    if scheme != "internet-facing":
        return
    if cidrs is None or cidrs == []:
        yield Finding(path=path, message="absent, which is everywhere", way_out=_NARROW)
    yield from _open(path, cidrs)


def _open(path: str, cidrs: Json) -> Iterator[Finding]:
    for cidr in items(cidrs):
        if cidr is not UNKNOWN and _is_everywhere(str(cidr)):
            yield Finding(path=path, message=f"{cidr} is everywhere", way_out=_NARROW)


def _is_everywhere(cidr: str) -> bool:
    """Whether a network is all addresses, or one of the two halves that together are."""
    try:
        return ipaddress.ip_network(cidr, strict=False).prefixlen <= 1
    except ValueError:
        return False


def _key(annotations: Json, key: str) -> Json:
    """An annotation; its key has dots of its own."""
    return annotations.get(key) if isinstance(annotations, Mapping) else annotations


def _listed(text: Json) -> Json:
    if text is None or has_unknown(text):
        return text
    return [part.strip() for part in str(text).split(",") if part.strip()]


RULES: Final = (
    Rule(
        name="bucket-blocks-public-access",
        description="A bucket's public access block is complete.",
        applies_to=frozenset({PUBLIC_ACCESS_BLOCK}),
        check=bucket_is_blocked,
    ),
    Rule(
        name="cluster-endpoint-is-not-open",
        description="A cluster's API is private, or public to networks that are named.",
        applies_to=frozenset({"aws:eks/cluster:Cluster"}),
        check=cluster_endpoint,
    ),
    Rule(
        name="security-group-is-not-open",
        description="A security group lets nobody in from everywhere but where the configuration names it.",
        applies_to=frozenset(
            {
                "aws:ec2/securityGroup:SecurityGroup",
                "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
                "aws:ec2/securityGroupRule:SecurityGroupRule",
                "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            }
        ),
        check=security_group,
        takes_exceptions=True,
    ),
    Rule(
        name="load-balancer-is-not-open",
        description="A load balancer on the internet takes requests from networks that are named.",
        applies_to=frozenset(
            {
                "kubernetes:core/v1:Service",
                "kubernetes:networking.k8s.io/v1:Ingress",
                "kubernetes:eks.amazonaws.com/v1:IngressClassParams",
            }
        ),
        check=load_balancer,
        takes_exceptions=True,
    ),
)
