"""Ids, ARNs and outputs have AWS's shape and follow from the resource."""

import re

import pytest

from toolchain.doubles.aws import rendering
from toolchain.doubles.aws.references import CLUSTER, REPOSITORY, ROLE, VPC
from toolchain.doubles.aws.rendering import Origin
from toolchain.doubles.aws.resource_type import ResourceType
from toolchain.doubles.aws.types import TYPES

HERE = Origin("111122223333", "eu-central-1", "one")


def test_an_id_follows_from_the_seed() -> None:
    """The same for the same, another for another."""
    first = rendering.identifier(TYPES[VPC], {}, HERE)
    assert re.fullmatch(r"vpc-0[0-9a-f]{16}", first)
    assert rendering.identifier(TYPES[VPC], {}, HERE) == first
    assert rendering.identifier(TYPES[VPC], {}, Origin("111122223333", "eu-central-1", "two")) != first


def test_outputs_are_the_inputs_and_what_aws_adds() -> None:
    """In the account and region."""
    outputs = rendering.outputs(TYPES[REPOSITORY], {"name": "scoring", "__defaults": ["name"]}, HERE)
    assert outputs["repositoryUrl"] == "111122223333.dkr.ecr.eu-central-1.amazonaws.com/scoring"
    assert outputs["arn"] == "arn:aws:ecr:eu-central-1:111122223333:repository/scoring"
    assert "__defaults" not in outputs
    cluster = rendering.outputs(TYPES[CLUSTER], {"name": "c"}, HERE)
    assert cluster["endpoint"].endswith(".gr7.eu-central-1.eks.amazonaws.com")
    assert cluster["identities"][0]["oidcs"][0]["issuer"].startswith("https://oidc.eks.eu-central-1.")


def test_what_aws_adds_to_an_object_that_it_is_given_is_beside_what_was_given() -> None:
    """The security group that EKS makes is among the settings of the network."""
    given = {"name": "c", "vpcConfig": {"subnetIds": ["subnet-1"]}}
    outputs = rendering.outputs(TYPES[CLUSTER], given, HERE)
    assert outputs["vpcConfig"]["subnetIds"] == ["subnet-1"]
    assert re.fullmatch(r"sg-0[0-9a-f]{16}", outputs["vpcConfig"]["clusterSecurityGroupId"])


@pytest.mark.parametrize(("path", "arn"), [(None, "role/r"), ("/team/", "role/team/r")])
def test_a_path_is_part_of_a_roles_arn(path: str | None, arn: str) -> None:
    """With the default where there is none."""
    outputs = rendering.outputs(TYPES[ROLE], {"name": "r", "path": path}, HERE)
    assert outputs["arn"] == f"arn:aws:iam::111122223333:{arn}"


@pytest.mark.parametrize("row", TYPES.values(), ids=lambda row: row.token)
def test_no_place_of_a_template_stays_open(row: ResourceType) -> None:
    """Every row can be rendered from its required inputs."""
    assert "{" not in str([value for value in rendering.outputs(row, {}, HERE).values() if isinstance(value, str)])
