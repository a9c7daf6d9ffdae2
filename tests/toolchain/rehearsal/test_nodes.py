"""Whether nodes are what their pools allow."""

from decimal import Decimal
from typing import Any

import pytest

from toolchain.rehearsal.nodes import POOL_LABEL, Pools, asked, total

ARCH = "kubernetes.io/arch"


def _node(pool: str = "cpu", arch: str = "arm64", **allocatable: str) -> dict[str, Any]:
    return {"metadata": {"labels": {POOL_LABEL: pool, ARCH: arch}}, "status": {"allocatable": allocatable}}


def _pools(**limits: str) -> Pools:
    requirements = [{"key": ARCH, "operator": "In", "values": ["arm64"]}]
    spec = {"limits": limits, "template": {"spec": {"requirements": requirements}}}
    return Pools.of([{"metadata": {"name": "cpu"}, "spec": spec}])


def test_nodes_that_the_pool_allows_are_no_breach() -> None:
    """Up to the limit itself."""
    assert _pools(cpu="4").breaches([_node(cpu="2"), _node(cpu="2000m")]) == []


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (_node(arch="amd64", cpu="2"), "kubernetes.io/arch is amd64, the pool wants arm64"),
        (_node(pool="other", cpu="2"), "is of no pool"),
        (_node(cpu="4100m"), "pool cpu has 4.1 of cpu, its limit is 4"),
    ],
)
def test_a_node_that_its_pool_does_not_allow_is_named(node: dict[str, Any], said: str) -> None:
    """By its label, its pool or the limit."""
    (found,) = _pools(cpu="4").breaches([node])
    assert said in found


def test_a_resource_is_counted_over_all_nodes_and_over_pods_that_are_not_over() -> None:
    """In every unit that Kubernetes writes."""
    assert total([_node(cpu="1900m"), _node(cpu="2"), _node()], "cpu") == Decimal("3.9")
    pods = [
        {"status": {"phase": phase}, "spec": {"containers": [{"resources": {"requests": {"cpu": "100m"}}}, {}]}}
        for phase in ("Running", "Pending", "Succeeded")
    ]
    assert asked(pods, "cpu") == Decimal("0.2")
