"""What others need is not deleted, in AWS's words; what goes along goes along."""

from typing import Any

import pytest

from toolchain.doubles.aws import references as of
from toolchain.doubles.aws.account import Holdings, Record

ACCOUNT = "123456789012"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/r"
CLUSTER = {"vpcConfig": {"subnetIds": ["subnet-1"]}}


def _holdings(*entries: tuple[str, str, dict[str, Any]]) -> Holdings:
    records = []
    for token, identifier, inputs in entries:
        arn = {"arn": ROLE_ARN} if token == of.ROLE else {}
        records.append(Record(token, identifier, "", "", inputs, {**inputs, **arn}))
    return Holdings(ACCOUNT, "s", 0, records)


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        ([(of.VPC, "vpc-1", {}), (of.SUBNET, "subnet-1", {"vpcId": "vpc-1"})], "DependencyViolation"),
        ([(of.VPC, "vpc-1", {}), (of.GROUP, "sg-1", {"vpcId": "vpc-1"})], "DependencyViolation"),
        ([(of.SUBNET, "subnet-1", {}), (of.NAT, "nat-1", {"subnetId": "subnet-1"})], "DependencyViolation"),
        ([(of.SUBNET, "subnet-1", {}), (of.CLUSTER, "c", CLUSTER)], "DependencyViolation"),
        ([(of.SUBNET, "subnet-1", {}), (of.INTERFACE, "subnet-1/e", {"subnetId": "subnet-1"})], "DependencyViolation"),
        ([(of.ADDRESS, "eipalloc-1", {}), (of.NAT, "nat-1", {"allocationId": "eipalloc-1"})], "InvalidIPAddress.InUse"),
        (
            [
                (of.GATEWAY, "igw-1", {"vpcId": "vpc-1"}),
                (of.SUBNET, "subnet-1", {"vpcId": "vpc-1"}),
                (of.NAT, "nat-1", {"subnetId": "subnet-1"}),
            ],
            "DependencyViolation",
        ),
        ([(of.ROLE, "r", {}), (of.ATTACHMENT, "a", {"role": "r"})], "DeleteConflict"),
        ([(of.ROLE, "r", {}), (of.ROLE_POLICY, "r:p", {"role": "r"})], "DeleteConflict"),
        ([(of.BUCKET, "b", {}), (of.OBJECT, "b/k", {"bucket": "b"})], "BucketNotEmpty"),
        ([(of.REPOSITORY, "r", {}), (of.IMAGE, "r/i", {"repository": "r"})], "RepositoryNotEmptyException"),
        ([(of.CLUSTER, "c", {"deletionProtection": True})], "InvalidRequestException"),
    ],
)
def test_what_is_needed_stays(entries: list[tuple[str, str, dict[str, Any]]], error: str) -> None:
    """The first of each list is what somebody wants to delete."""
    holdings = _holdings(*entries)
    found = of.obstacle(holdings, holdings.records[0])
    assert found is not None
    assert found.error == error
    if len(entries) > 1:
        assert found.holders[0].identifier == entries[-1][1]


@pytest.mark.parametrize(
    ("entries", "gone"),
    [
        ([(of.VPC, "vpc-1", {}), (of.FLOW_LOG, "fl-1", {"vpcId": "vpc-1"})], ["fl-1"]),
        ([(of.BUCKET, "b", {"forceDestroy": True}), (of.OBJECT, "b/k", {"bucket": "b"})], ["b/k"]),
        ([(of.REPOSITORY, "r", {"forceDelete": True}), (of.IMAGE, "r/i", {"repository": "r"})], ["r/i"]),
        ([(of.ROLE, "r", {"forceDetachPolicies": True}), (of.ATTACHMENT, "a", {"role": "r"})], ["a"]),
        (
            [
                (of.CLUSTER, "c", {}),
                (of.ACCESS_ENTRY, "c:p", {"clusterName": "c", "principalArn": "p"}),
                (of.ACCESS_ENTRY, "d:p", {"clusterName": "d", "principalArn": "p"}),
            ],
            ["c:p"],
        ),
    ],
)
def test_what_goes_along_is_no_obstacle(entries: list[tuple[str, str, dict[str, Any]]], gone: list[str]) -> None:
    """Because AWS takes it, or because a property of the resource says so."""
    holdings = _holdings(*entries)
    assert of.obstacle(holdings, holdings.records[0]) is None
    assert [record.identifier for record in of.companions(holdings, holdings.records[0])] == gone


def test_a_principal_of_another_cluster_is_another() -> None:
    """The policies of one cluster's access entry do not fall with the other's."""
    entry = {"clusterName": "c", "principalArn": "p"}
    holdings = _holdings(
        (of.ACCESS_ENTRY, "c:p", entry),
        (of.ACCESS_POLICY, "c#p#x", entry),
        (of.ACCESS_POLICY, "d#p#x", {**entry, "clusterName": "d"}),
    )
    assert [record.identifier for record in of.companions(holdings, holdings.records[0])] == ["c#p#x"]


def test_a_reference_must_lead_somewhere() -> None:
    """Unless it is to what AWS has, or another account."""
    holdings = _holdings((of.ROLE, "r", {}))
    missing = of.dangling(holdings, of.SUBNET, {"vpcId": "vpc-9"})
    assert missing is not None
    assert (missing[0].target, missing[1]) == (of.VPC, "vpc-9")
    aws_managed = {"role": "r", "policyArn": "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"}
    assert of.dangling(holdings, of.ATTACHMENT, aws_managed) is None
    assert of.dangling(holdings, of.POD_IDENTITY, {"roleArn": ROLE_ARN}) is None
    assert of.dangling(holdings, of.POD_IDENTITY, {"roleArn": "arn:aws:iam::444455556666:role/r"}) is None
    assert of.dangling(holdings, of.POD_IDENTITY, {"roleArn": ROLE_ARN + "2"}) is not None
