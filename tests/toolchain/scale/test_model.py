"""The model of docs/scale.md: each figure by hand."""

import json
from dataclasses import replace

import pytest

from toolchain.paths import REPOSITORY
from toolchain.scale import inputs as source
from toolchain.scale.model import LOADS, PARTS, Inputs, Load, gives_way, largest_cost, next_to_give_way, size

INPUTS = Inputs(
    pod_per_second=1000,
    target=0.5,
    pod_cores=0.5,
    min_replicas=3,
    max_replicas=20,
    pool_cores=16,
    zones=3,
    drift_rows_per_second=2000,
    drift_memory_mib=1600,
    request_bytes=800,
    record_bytes=1024,
    core_usd_hour=0.1,
    standing_usd_month=100,
    balancer_usd_gb=0.01,
    stored_usd_gib_month=0.02,
)


def load(mean: float, peak: float | None = None) -> Load:
    """So many requests a second."""
    return Load(name="x", mean_per_second=mean, peak_per_second=peak or mean)


@pytest.mark.parametrize(
    ("peak", "pods", "nodes"),
    [
        # A pod is planned with 500 a second; a node has room for (8 - 0.6) / 0.5 = 14 pods, the rest takes that of 3.
        (10, 3, 3),
        (1500, 3, 3),
        (1501, 4, 3),
        (10_000, 20, 3),
        (50_000, 100, 8),
    ],
)
def test_pods_and_nodes_are_made_for_the_peak(peak: float, pods: int, nodes: int) -> None:
    """And never fewer than there always are, nor than one a zone."""
    found = size(load(1, peak), INPUTS)
    assert (found.pods, found.nodes) == (pods, nodes)


def test_money_is_counted_by_what_it_goes_to() -> None:
    """Nodes by the hour, bytes by the mean."""
    found = size(load(1000), INPUTS)
    requests = 1000 * 730 * 3600
    assert found.nodes_usd == pytest.approx(3 * 8 * 0.1 * 730)
    assert found.balancer_usd == pytest.approx(requests * 800 / 1e9 * 0.01)
    assert found.stored_usd == pytest.approx(requests * 1024 / 2**30 * 0.02)
    assert found.usd == pytest.approx(found.nodes_usd + found.balancer_usd + found.stored_usd + 100)
    assert largest_cost(found) == "nodes"
    assert largest_cost(size(load(1e6), replace(INPUTS, stored_usd_gib_month=10))) == "the prediction log"


def test_a_part_gives_way_where_more_is_asked_than_it_carries() -> None:
    """As configured above, by hand.

    Drift keeps up with 2,000 on average, and has 1,000 MiB for an hour of 2,913 a second. Twenty pods carry 10,000, and
    the pool's 16 cores, less what others take, 13,300.
    """
    assert [round(part.limit(INPUTS)) for part in PARTS] == [2000, 2913, 10_000, 13_300]
    drift, memory, pods, pool = PARTS
    assert gives_way(load(1999), INPUTS) == []
    assert gives_way(load(2001), INPUTS) == [drift]
    assert gives_way(load(1000, 2914), INPUTS) == [memory]
    assert gives_way(load(1000, 10_001), INPUTS) == [memory, pods]
    assert gives_way(load(13_301), INPUTS) == [drift, memory, pods, pool]


def test_the_next_to_give_way_is_the_fullest() -> None:
    """By how many times the load it carries."""
    part, times = next_to_give_way(load(1000, 8000), replace(INPUTS, drift_memory_mib=10_000))
    assert (part, times) == (PARTS[2], 1.25)


@pytest.mark.parametrize("field", ["pod_per_second", "target", "max_replicas", "pool_cores", "drift_rows_per_second"])
def test_more_of_anything_never_takes_more_pods_nor_lets_more_give_way(field: str) -> None:
    """A model that says otherwise is wrong."""
    better = replace(INPUTS, **{field: getattr(INPUTS, field) * 2})
    for each in LOADS:
        assert size(each, better).pods <= size(each, INPUTS).pods
        assert len(gives_way(each, better)) <= len(gives_way(each, INPUTS))


def test_the_inputs_are_what_was_measured_configured_and_priced() -> None:
    """Each from the file that has it."""
    found = source.read()
    shipped = json.loads((REPOSITORY / "benchmarks" / "serving" / "results.json").read_text(encoding="utf-8"))
    assert found.pod_per_second == shipped["scoring_log_async"]["requests_per_second"]
    assert found.planned_per_second < found.pod_per_second
    # Three NAT gateways with their addresses, the control plane and a load balancer, by toolchain/ci/prices.yaml.
    assert found.standing_usd_month == pytest.approx(73.00 + 19.71 + 3 * (37.96 + 3.65))
    assert found.core_usd_hour == pytest.approx(0.049 * 1.12)
