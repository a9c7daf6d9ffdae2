"""Which nodes there may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.aws.node_pools import node_pools, pool_architectures, split_cores
from infra.config.aws import CpuPoolConfig, ExtraPoolConfig, GpuPoolConfig, NodePoolsConfig
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


def test_a_workload_that_names_an_extra_pool_runs_there_and_its_image_is_built_for_it() -> None:
    """The pool's taint keeps all others out, and another architecture would not start the image."""
    config = environment_configuration("dev", node_pools={"extra": [{"name": "batch", "architecture": "amd64"}]})
    rendered = render(config | {"realtime-ml:training": '{"node_pool": "batch"}'}, stack="dev")
    pools = [pool.inputs["spec"]["template"] for pool in rendered.of_type("NodePool") if "batch" in pool.name]
    job = rendered.the("Job", "bootstrap-car-loan").pod
    for pool in pools:
        assert job["nodeSelector"].items() <= pool["metadata"]["labels"].items()
        (taint,) = pool["spec"]["taints"]
        assert job["tolerations"] == [{**taint, "operator": "Equal"}]
    assert rendered.the("Image", "retraining").inputs["platforms"] == ["linux/amd64"]
    scoring = rendered.the("Deployment", "scoring-car-loan").pod
    assert "nodeSelector" not in scoring
    assert rendered.the("Image", "scoring").inputs["platforms"] == ["linux/arm64"]


def test_the_image_of_workers_is_built_for_their_pool_and_for_the_service_that_has_it_too() -> None:
    """Drift runs on the usual nodes, the Dask cluster on others."""
    pools = {"extra": [{"name": "batch", "architecture": "amd64"}]}
    config = environment_configuration("dev", node_pools=pools) | {"realtime-ml:dask": '{"node_pool": "batch"}'}
    without = render(config, stack="dev")
    assert without.the("Image", "drift").inputs["platforms"] == ["linux/arm64"]
    rendered = render(config | {"realtime-ml:training": '{"engine": "dask"}'}, stack="dev")
    assert rendered.the("Image", "drift").inputs["platforms"] == ["linux/amd64", "linux/arm64"]
    assert rendered.the("Deployment", "dask-worker").pod["nodeSelector"] == {"realtime-ml/pool": "batch"}


def test_third_party_images_come_from_where_the_configuration_says() -> None:
    """A cluster without a way to their makers has them in a registry of its own."""
    mirror = "mirror.example/prometheus:v3"
    config = environment_configuration("dev") | {"realtime-ml:images": f'{{"prometheus": "{mirror}"}}'}
    (container,) = render(config, stack="dev").the("StatefulSet", "prometheus").containers
    assert container["image"] == mirror


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
