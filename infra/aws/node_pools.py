"""The nodes that there may be: Karpenter's node pools, as EKS Auto Mode runs them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pulumi
import pulumi_kubernetes as k8s

from infra.aws.cluster import Cluster
from infra.aws.instance_families import Architecture
from infra.aws.network_policy import NODE_CLASS_FIELDS
from infra.config.aws import CpuPoolConfig, ExtraPoolConfig, GpuPoolConfig, NodePoolsConfig, architectures
from infra.naming import PROJECT, App
from infra.platform import Placement

NODE_CLASS: Final = PROJECT
"""Not `default`: EKS owns a class of that name, which comes and goes with its built-in pools."""

GPU_TAINT: Final = "nvidia.com/gpu"
GPU_POOL: Final = "gpu"
POOL_TAINT: Final = f"{PROJECT}/pool"

_GPU_RESOURCE: Final = "nvidia.com/gpu"
_NODE_DISK: Final = "80Gi"
_SPOT_WEIGHT: Final = 50
_ON_DEMAND_WEIGHT: Final = 10

CapacityType = Literal["spot", "on-demand"]


@dataclass(frozen=True, kw_only=True)
class NodePool:
    """One Karpenter node pool.

    Attributes:
        name: of the object.
        families: EC2 instance families it chooses from.
        capacity: kinds it may buy; Karpenter takes Spot first where both stand.
        limits: most of each resource, all its nodes together.
        weight: the pool with the highest is tried first.
        taint: key and value that keep out pods which do not tolerate them; none lets every pod in.
        consolidation: which nodes may go to save money.
        consolidate_after: how long a node must have been so.
        disruption_share: part of the nodes that may be disrupted at a time.
        termination_grace: how long a node that must go waits for its pods; whoever forbids disruption delays no longer.
    """

    name: str
    families: Sequence[str]
    capacity: Sequence[CapacityType]
    limits: Mapping[str, str]
    weight: int
    taint: tuple[str, str] | None = None
    consolidation: Literal["WhenEmpty", "WhenEmptyOrUnderutilized"] = "WhenEmptyOrUnderutilized"
    consolidate_after: str = "2m"
    disruption_share: str = "20%"
    termination_grace: str = "1h"
    labels: Mapping[str, str] = field(default_factory=dict)

    def spec(self, expire_after_days: int) -> dict[str, Any]:
        """The object's specification."""
        template: dict[str, Any] = {
            "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": NODE_CLASS},
            "requirements": [
                _requirement("karpenter.sh/capacity-type", self.capacity),
                _requirement("kubernetes.io/arch", architectures(self.families)),
                _requirement("eks.amazonaws.com/instance-family", self.families),
            ],
            # A node's image is as old as the node: this is how patches get in.
            "expireAfter": f"{expire_after_days * 24}h",
            "terminationGracePeriod": self.termination_grace,
        }
        if self.taint is not None:
            key, value = self.taint
            template["taints"] = [{"key": key, "value": value, "effect": "NoSchedule"}]
        return {
            "weight": self.weight,
            "limits": dict(self.limits),
            "template": {"metadata": {"labels": dict(self.labels)}, "spec": template},
            "disruption": {
                "consolidationPolicy": self.consolidation,
                "consolidateAfter": self.consolidate_after,
                "budgets": [{"nodes": self.disruption_share}],
            },
        }


def split_cores(cores: int, spot_share: float) -> dict[CapacityType, int]:
    """How many of a pool's cores are Spot and how many on demand; a kind without any is left out.

    Rounded down for Spot: the share is never exceeded.
    """
    spot = int(cores * spot_share)
    shares: dict[CapacityType, int] = {"spot": spot, "on-demand": cores - spot}
    return {kind: count for kind, count in shares.items() if count}


def cpu_pools(name: str, config: CpuPoolConfig, taint: tuple[str, str] | None = None) -> list[NodePool]:
    """A pool for each kind of capacity, limited to its part of the cores.

    Karpenter knows no shares. Spot has the greater weight, so it fills up first; what is beyond its limit, or finds no
    Spot capacity, goes on demand.
    """
    weights: dict[CapacityType, int] = {"spot": _SPOT_WEIGHT, "on-demand": _ON_DEMAND_WEIGHT}
    return [
        NodePool(
            name=f"{name}-{kind}",
            families=config.families,
            capacity=[kind],
            limits={"cpu": str(cores)},
            weight=weights[kind],
            taint=taint,
            labels={POOL_TAINT: name},
        )
        for kind, cores in split_cores(config.cpu_limit, config.spot_share).items()
    ]


def extra_pools(config: ExtraPoolConfig) -> list[NodePool]:
    """The pools of an extra one: for pods that tolerate its name."""
    return cpu_pools(config.name, config, (POOL_TAINT, config.name))


def gpu_pools(config: GpuPoolConfig) -> list[NodePool]:
    """The GPU pool, or none: no node until a pod asks for a GPU, and none five minutes after the last."""
    if not config.enabled or config.gpu_limit is None:
        return []
    return [
        NodePool(
            name=GPU_POOL,
            families=config.instance_families,
            capacity=["on-demand", "spot"] if config.spot else ["on-demand"],
            limits={_GPU_RESOURCE: str(config.gpu_limit)},
            weight=_ON_DEMAND_WEIGHT,
            taint=(GPU_TAINT, "true"),
            # A training run that is moved starts over: nodes go when they are empty, one at a time when they must.
            consolidation="WhenEmpty",
            consolidate_after="5m",
            disruption_share="1",
            termination_grace="24h",
            labels={POOL_TAINT: GPU_POOL},
        )
    ]


def node_pools(config: NodePoolsConfig) -> list[NodePool]:
    """Every pool of an environment."""
    extra = [pool for one in config.extra for pool in extra_pools(one)]
    return [*cpu_pools("cpu", config.cpu), *gpu_pools(config.gpu), *extra]


def pool_placement(name: str) -> Placement:
    """What a pod says to run on an extra pool: that it wants to, and that its taint does not keep it out."""
    taint: k8s.core.v1.TolerationArgsDict = {
        "key": POOL_TAINT,
        "operator": "Equal",
        "value": name,
        "effect": "NoSchedule",
    }
    return Placement(node_selector={POOL_TAINT: name}, tolerations=[taint])


def pool_architectures(config: NodePoolsConfig, *pools: str | None, gpu: bool) -> Sequence[Architecture]:
    """What an image must run on: the nodes of its pods' pools, and the GPU pool's when its pods may go there."""
    named = {extra.name: extra for extra in config.extra}
    families = [family for pool in pools or (None,) for family in named.get(pool or "", config.cpu).families]
    if gpu and config.gpu.enabled:
        families += config.gpu.instance_families
    return architectures(families)


@dataclass(frozen=True, kw_only=True)
class NodePoolsArgs:
    """What nodes there may be, and what they are.

    Attributes:
        config: the pools.
        cluster: whose they are.
        subnet_ids: where nodes are put.
        tags: on every node and its disks.
    """

    config: NodePoolsConfig
    cluster: Cluster
    subnet_ids: Sequence[pulumi.Input[str]]
    tags: Mapping[str, str]


class NodePools(pulumi.ComponentResource):
    """The node class and the node pools.

    Pulumi deletes a pool in the foreground, which waits for its nodes: none outlives the cluster. It deletes the
    class after the pools.
    """

    ready: Sequence[pulumi.Resource]
    """Depend on them: a pod then finds a node, and leaves it before the node goes."""

    def __init__(self, name: str, args: NodePoolsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Makes the class, then the pools."""
        super().__init__("realtime-ml:aws:NodePools", name, None, opts)
        app = App(name="node-pools", instance=name, component="nodes")
        node_class = k8s.apiextensions.CustomResource(
            NODE_CLASS,
            api_version="eks.amazonaws.com/v1",
            kind="NodeClass",
            metadata={"name": NODE_CLASS, "labels": app.labels},
            spec={
                "role": args.cluster.node_role_name,
                "subnetSelectorTerms": [{"id": subnet_id} for subnet_id in args.subnet_ids],
                "securityGroupSelectorTerms": [{"id": args.cluster.security_group_id}],
                "ephemeralStorage": {"size": _NODE_DISK},
                **NODE_CLASS_FIELDS,
                "tags": dict(args.tags),
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.ready = [
            k8s.apiextensions.CustomResource(
                f"node-pool-{pool.name}",
                api_version="karpenter.sh/v1",
                kind="NodePool",
                metadata={"name": pool.name, "labels": app.labels},
                spec=pool.spec(args.config.expire_after_days),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[node_class]),
            )
            for pool in node_pools(args.config)
        ]
        self.register_outputs({})


def _requirement(key: str, values: Sequence[str]) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": sorted(values)}
