"""Whether nodes are what their pools allow (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lightkube.utils.quantity import parse_quantity

from toolchain.doubles.kubernetes.objects import KubernetesObject, dig

POOL_LABEL = "karpenter.sh/nodepool"
GPU = "nvidia.com/gpu"
_SHOWN_LABELS = ("node.kubernetes.io/instance-type", "karpenter.sh/capacity-type", "kubernetes.io/arch")


@dataclass(frozen=True)
class Pools:
    """The node pools of a cluster, by name."""

    by_name: Mapping[str, KubernetesObject]

    @classmethod
    def of(cls, pools: Iterable[KubernetesObject]) -> "Pools":
        """Those in a list."""
        return cls({pool["metadata"]["name"]: pool for pool in pools})

    def breaches(self, nodes: Sequence[KubernetesObject]) -> list[str]:
        """What is wrong with these nodes: a label that their pool does not allow, more than a pool's limit."""
        found = []
        for node in nodes:
            pool = self.by_name.get(pool_of(node))
            if pool is None:
                found.append(f"{describe(node)} is of no pool")
            else:
                found += [f"{describe(node)}: {text}" for text in _strange_labels(pool, node)]
        for name, pool in self.by_name.items():
            for resource, limit in (dig(pool, "spec", "limits") or {}).items():
                there = total((node for node in nodes if pool_of(node) == name), resource)
                if there > amount(limit):
                    found.append(f"pool {name} has {there.normalize():f} of {resource}, its limit is {limit}")
        return found


def pool_of(node: KubernetesObject) -> str:
    """The name of a node's pool; empty where it has none."""
    return str(dig(node, "metadata", "labels", POOL_LABEL) or "")


def total(nodes: Iterable[KubernetesObject], resource: str) -> Decimal:
    """How much of a resource pods may have on all of them."""
    return sum((amount(dig(node, "status", "allocatable", resource) or "0") for node in nodes), Decimal(0))


def asked(pods: Iterable[KubernetesObject], resource: str) -> Decimal:
    """How much of a resource the pods that run, or are to, ask for."""
    live = [pod for pod in pods if dig(pod, "status", "phase") in ("Pending", "Running")]
    containers = [container for pod in live for container in dig(pod, "spec", "containers") or []]
    return sum((amount(dig(each, "resources", "requests", resource) or "0") for each in containers), Decimal(0))


def amount(quantity: Any) -> Decimal:  # noqa: ANN401 - Kubernetes takes a number or a text
    """A quantity such as `100m`, as a number."""
    return parse_quantity(str(quantity)) or Decimal(0)


def describe(node: KubernetesObject) -> str:
    """An instance in words: `m7g.large, spot, arm64`."""
    labels = dig(node, "metadata", "labels") or {}
    return ", ".join(str(labels.get(key, "?")) for key in _SHOWN_LABELS)


def _strange_labels(pool: KubernetesObject, node: KubernetesObject) -> list[str]:
    labels = dig(node, "metadata", "labels") or {}
    return [
        f"{requirement['key']} is {labels.get(requirement['key'])}, the pool wants {', '.join(requirement['values'])}"
        for requirement in dig(pool, "spec", "template", "spec", "requirements") or []
        if requirement["operator"] == "In" and labels.get(requirement["key"]) not in requirement["values"]
    ]
