"""What a pod may send and be sent is what somebody let through, by name."""

from collections.abc import Iterator, Sequence
from typing import Final

from infra.policy.model import UNKNOWN, Context, Finding, Resource, StackRule
from infra.policy.properties import at, items

_NAMESPACE: Final = "kubernetes:core/v1:Namespace"
_POLICY: Final = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
_DIRECTIONS: Final = ("Ingress", "Egress")


def denies_by_default(policy: Resource) -> bool:
    """Whether a policy chooses every pod of its namespace, in both directions, and lets nothing through."""
    spec = at(policy.properties, "spec")
    everybody = at(spec, "podSelector") in ({}, {"matchLabels": {}})
    both = all(direction in items(at(spec, "policyTypes")) for direction in _DIRECTIONS)
    return everybody and both and not items(at(spec, "ingress")) and not items(at(spec, "egress"))


def _lies_in(policy: Resource, namespace: Resource) -> bool:
    """Where its name comes from is known before the name is."""
    if namespace.urn and namespace.urn in policy.refers.get("metadata", frozenset()):
        return True
    name = at(namespace.properties, "metadata.name")
    return name is not UNKNOWN and name is not None and at(policy.properties, "metadata.namespace") == name


def _is_known(resource: Resource) -> bool:
    """Of an object in a cluster that is yet to be made, a preview tells the policy pack nothing."""
    return at(resource.properties, "metadata") not in (None, UNKNOWN)


def closed(resources: Sequence[Resource], _: Context) -> Iterator[tuple[Resource, Finding]]:
    """Every namespace has a policy that denies everything, beside those that let something through."""
    denying = [resource for resource in resources if resource.type == _POLICY and denies_by_default(resource)]
    for namespace in resources:
        if namespace.type != _NAMESPACE or not _is_known(namespace):
            continue
        if not any(_lies_in(policy, namespace) for policy in denying):
            yield (
                namespace,
                Finding(
                    path="",
                    message="has no network policy that denies everything by default",
                    way_out="add one for all of its pods, in both directions, without a rule",
                ),
            )


STACK_RULES: Final = (
    StackRule(
        name="namespaces-deny-by-default",
        description="Every namespace has a network policy that denies all traffic, in and out.",
        check=closed,
    ),
)
