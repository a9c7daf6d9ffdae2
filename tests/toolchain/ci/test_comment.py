"""The comment on a pull request says first what can lose data or nodes, then what it costs, then the rest."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from toolchain.ci.comment import LIMIT_CHARACTERS, joined, marker, render
from toolchain.ci.plan import Action, Change, Plan, read_plan
from toolchain.ci.prices import read_prices
from toolchain.errors import ToolchainError

RULES = "groups:\n- name: gpu\n  rules:\n  - alert: {alert}\n    expr: vector(1)\n"


def step(operation: str, type_: str, name: str, **facts: object) -> dict[str, Any]:
    """A step as Pulumi writes it."""
    old, new = facts.pop("old", None), facts.pop("new", None)
    state = {"type": type_, "custom": True}
    return {
        "op": operation,
        "urn": f"urn:pulumi:prod::realtime-ml::realtime-ml:aws:Platform${type_}::{name}",
        "oldState": None if old is None else {**state, "inputs": old, "protect": facts.pop("protect", False)},
        "newState": None if new is None else {**state, "inputs": new},
        **facts,
    }


def plan(*steps: Mapping[str, Any]) -> Plan:
    """A plan of these steps."""
    return read_plan(json.dumps({"steps": list(steps)}))


ALARM = "- :rotating_light:"
POOL = "kubernetes:karpenter.sh/v1:NodePool"
BUCKET = "aws:s3/bucket:Bucket"
CHANGED = plan(
    step("create-replacement", POOL, "cpu", old={}, new={}, replaceReasons=["metadata.name"]),
    step("replace", POOL, "cpu", old={}, new={}, replaceReasons=["metadata.name"]),
    step("delete-replaced", POOL, "cpu", old={}),
    step("delete", BUCKET, "predictions", old={}, protect=True),
    step(
        "update",
        "kubernetes:core/v1:ConfigMap",
        "rules",
        old={"data": {"gpu.yaml": RULES.format(alert="GpuIdle")}},
        new={"data": {"gpu.yaml": RULES.format(alert="GpuIdle") + RULES.format(alert="GpuHot")[8:]}},
        diffReasons=["data"],
    ),
    step("create", "aws:ec2/natGateway:NatGateway", "nat-b", new={}),
    step("same", "aws:ec2/vpc:Vpc", "main", old={}, new={}),
)


def test_the_first_lines_say_what_loses_data_and_nodes() -> None:
    """A node pool is replaced, a bucket deleted, an alert added: the text that a reviewer reads."""
    assert render("prod", CHANGED, read_prices()).splitlines()[:10] == [
        "<!-- realtime-ml plan prod -->",
        "### `prod`: 1 replaced, 1 deleted, 1 changed, 1 created",
        "",
        f"{ALARM} **Bucket `predictions` is deleted**: takes its data along. It is protected: the `up` will refuse.",
        f"{ALARM} **NodePool `cpu` is replaced**: drains its nodes and the pods on them. Forced by `metadata.name`.",
        "",
        "Standing cost: +37.96 USD a month (list prices, eu-central-1, 2026-11; nodes and traffic not counted).",
        "",
        "Alerts added: `GpuHot`.",
        "",
    ]


def test_what_is_new_is_folded_and_what_changes_is_not() -> None:
    """In the order replaced, deleted, changed, created."""
    text = render("prod", CHANGED, read_prices())
    heads = [text.index(head) for head in ("#### 1 replaced", "#### 1 deleted", "#### 1 changed", "<summary>1 created")]
    assert heads == sorted(heads)


def test_nothing_to_do_is_said_in_one_line() -> None:
    """And no table follows."""
    text = render("dev", plan(step("same", BUCKET, "models", old={}, new={})), read_prices())
    assert text == f"{marker('dev')}\n### `dev`: no change\n\n1 resources stay as they are.\n"


def test_a_plan_without_state_says_so() -> None:
    """A pull request from a fork has no credentials."""
    assert "the whole plan, from nothing" in render("dev", CHANGED, read_prices(), without_state=True)


def test_a_huge_plan_is_cut_to_what_github_takes() -> None:
    """The comment would be refused otherwise, and with it the warning in its first lines."""
    huge = plan(*(step("create", BUCKET, f"bucket-{number}" * 5, new={}) for number in range(3000)))
    text = render("prod", huge, read_prices())
    assert len(text) <= LIMIT_CHARACTERS
    assert text.endswith("the job's log.\n")


def test_components_and_providers_are_not_changes() -> None:
    """Their children are."""
    component = step("create", "realtime-ml:aws:Network", "network", new={})
    component["newState"]["custom"] = False
    assert plan(component, step("create", "pulumi:providers:aws", "aws", new={})).changes == ()


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "error: no stack"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    """An empty comment would look like no change."""
    with pytest.raises(ToolchainError, match="not the output of"):
        read_plan(text)


def test_a_step_of_an_unknown_kind_is_refused() -> None:
    """Pulumi may learn new ones; silence would hide them."""
    with pytest.raises(ToolchainError, match="'evaporate'"):
        plan(step("evaporate", BUCKET, "models", old={}))


@pytest.mark.parametrize(
    ("type_", "inputs", "cost"),
    [
        ("aws:eks/cluster:Cluster", {}, 73.0),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Gateway", "subnetIds": ["a"]}, 0.0),
        ("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Interface", "subnetIds": ["a", "b"]}, 17.52),
        (
            "kubernetes:apps/v1:StatefulSet",
            {"spec": {"volumeClaimTemplates": [{"spec": {"resources": {"requests": {"storage": "100Gi"}}}}]}},
            9.52,
        ),
        ("aws:iam/role:Role", {}, 0.0),
    ],
)
def test_standing_parts_have_a_price(type_: str, inputs: Mapping[str, Any], cost: float) -> None:
    """And what the table does not know costs nothing."""
    assert read_prices().of(type_, inputs) == pytest.approx(cost)


def test_what_goes_saves_its_price() -> None:
    """The difference is of what stands before and after."""
    gone = Plan((Change(Action.DELETE, "aws:ec2/natGateway:NatGateway", "nat", (), {"a": 1}, {}, protected=False),), 0)
    assert read_prices().difference(gone) == pytest.approx(-37.96)


def test_all_environments_make_one_comment_those_with_dangers_first() -> None:
    """Each keeps a share of the room, so that none crowds out another's."""
    calm = render("dev", plan(), read_prices())
    text = joined([calm, render("prod", CHANGED, read_prices())], 60_000)
    assert text.startswith("<!-- realtime-ml plan all -->\n")
    assert text.index("### `prod`") < text.index("### `dev`")
    long = joined(["a" * 1000, ALARM + "b" * 1000], 500)
    assert len(long) <= 500
    assert {"a", "b"} <= set(long)
