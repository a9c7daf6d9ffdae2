"""Which nodes there may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.aws.config import CpuPoolConfig, ExtraPoolConfig, GpuPoolConfig, NodePoolsConfig
from infra.aws.node_pools import node_pools, pool_architectures, split_cores
from tests.infra.harness import Rendered, environment_configuration, render

GPU = GpuPoolConfig(enabled=True, gpu_limit=4)


@given(st.integers(2, 10_000), st.floats(0, 1))
def test_spot_and_on_demand_together_have_the_cores_of_the_pool_and_spot_no_more_than_its_share(
    cores: int, share: float
) -> None:
    """A limit is what the pool costs at most."""
    split = split_cores(cores, share)
    assert sum(split.values()) == cores
    assert split.get("spot", 0) <= cores * share
    assert all(count > 0 for count in split.values())


@pytest.mark.parametrize(
    ("share", "pools"),
    [
        (0.0, {"cpu-on-demand": "16"}),
        (0.25, {"cpu-spot": "4", "cpu-on-demand": "12"}),
        (1.0, {"cpu-spot": "16"}),
    ],
)
def test_a_share_becomes_pools_with_limits(share: float, pools: dict[str, str]) -> None:
    """Karpenter knows no shares."""
    made = node_pools(NodePoolsConfig(cpu=CpuPoolConfig(spot_share=share, cpu_limit=16)))
    assert {pool.name: pool.limits["cpu"] for pool in made} == pools


def test_spot_is_tried_first() -> None:
    """Spot is tried first."""
    weights = {pool.name: pool.weight for pool in node_pools(NodePoolsConfig(cpu=CpuPoolConfig(spot_share=0.5)))}
    assert weights["cpu-spot"] > weights["cpu-on-demand"]


def test_there_is_no_gpu_pool_unless_it_is_asked_for() -> None:
    """There is no GPU pool unless it is asked for."""
    assert not [pool for pool in node_pools(NodePoolsConfig()) if pool.name == "gpu"]


def test_the_gpu_pool_is_limited_tainted_and_left_alone_while_it_works() -> None:
    """Pods without GPUs stay off, and a training run is not moved."""
    (pool,) = (pool for pool in node_pools(NodePoolsConfig(gpu=GPU)) if pool.name == "gpu")
    spec = pool.spec(14)
    assert spec["limits"] == {"nvidia.com/gpu": "4"}
    assert spec["template"]["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}]
    assert spec["disruption"]["consolidationPolicy"] == "WhenEmpty"


def test_an_extra_pool_takes_only_pods_that_ask_for_it() -> None:
    """An extra pool takes only pods that ask for it."""
    (pool,) = (p for p in node_pools(NodePoolsConfig(extra=(ExtraPoolConfig(name="batch"),))) if "batch" in p.name)
    assert pool.taint == ("realtime-ml/pool", "batch")
    assert pool.spec(14)["template"]["metadata"]["labels"] == {"realtime-ml/pool": "batch"}


def test_images_are_built_for_where_their_pods_may_go() -> None:
    """Graviton nodes and NVIDIA nodes have different processors; scoring goes to the former alone."""
    mixed = NodePoolsConfig(gpu=GPU)
    assert pool_architectures(mixed, gpu=False) == ["arm64"]
    assert pool_architectures(mixed, gpu=True) == ["amd64", "arm64"]
    assert pool_architectures(NodePoolsConfig(), gpu=True) == ["arm64"]


def test_every_pool_expires_its_nodes_is_limited_and_has_a_disruption_budget(aws: Rendered) -> None:
    """Every pool expires its nodes is limited and has a disruption budget."""
    pools = aws.of_type("NodePool")
    assert pools
    for pool in pools:
        spec = pool.inputs["spec"]
        assert spec["limits"], pool
        assert 0 < int(spec["template"]["spec"]["expireAfter"].removesuffix("h")) <= 21 * 24, pool
        assert spec["template"]["spec"]["terminationGracePeriod"], pool
        assert spec["disruption"]["budgets"], pool
        assert spec["template"]["spec"]["nodeClassRef"]["name"] == "realtime-ml", pool


def test_the_node_class_is_not_the_one_that_eks_owns(aws: Rendered) -> None:
    """The one named `default` comes and goes with EKS's built-in pools."""
    (node_class,) = aws.of_type("NodeClass")
    assert node_class.inputs["metadata"]["name"] != "default"
    assert node_class.inputs["spec"]["securityGroupSelectorTerms"] == [{"id": "sg-cluster"}]
    assert all("private" in term["id"] for term in node_class.inputs["spec"]["subnetSelectorTerms"])


def test_turning_gpus_on_adds_the_pool_and_turning_them_off_removes_it() -> None:
    """And changes nothing else where the processors are the same."""
    cpu = {"architecture": "amd64"}
    off, on = (
        {
            resource.urn: resource
            for resource in render(
                environment_configuration("dev", node_pools={"cpu": cpu, "gpu": gpu}), stack="dev"
            ).resources
        }
        for gpu in ({"enabled": False}, {"enabled": True, "gpu_limit": 2})
    )
    assert [str(on[urn]) for urn in on.keys() - off.keys()] == ["NodePool node-pool-gpu"]
    assert not off.keys() - on.keys()
    assert {str(on[urn]) for urn in off if on[urn].inputs != off[urn].inputs} == set()
