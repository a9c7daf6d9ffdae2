"""Subnets fit into their VPC, or AWS makes none."""

import pytest

from toolchain.doubles.aws.account import Holdings, Record
from toolchain.doubles.aws.references import SUBNET, VPC
from toolchain.doubles.aws.subnets import misfit

HOLDINGS = Holdings(
    records=[
        Record(VPC, "vpc-1", "", "", {"cidrBlock": "10.0.0.0/16"}),
        Record(VPC, "vpc-2", "", "", {"cidrBlock": "10.0.0.0/16"}),
        Record(SUBNET, "subnet-1", "", "", {"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/18"}),
    ]
)


@pytest.mark.parametrize(
    ("vpc", "block", "said"),
    [
        ("vpc-1", "10.0.64.0/18", ""),
        ("vpc-2", "10.0.0.0/18", ""),
        ("vpc-1", "10.1.0.0/18", "InvalidSubnet.Range: 10.1.0.0/18 does not lie in 10.0.0.0/16"),
        ("vpc-1", "10.0.0.0/15", "InvalidSubnet.Range"),
        ("vpc-1", "10.0.32.0/20", "InvalidSubnet.Conflict: 10.0.32.0/20 overlaps 10.0.0.0/18 of subnet-1"),
    ],
)
def test_a_subnet_lies_in_its_vpc_and_beside_the_others(vpc: str, block: str, said: str) -> None:
    """Another VPC's subnets do not count."""
    found = misfit(HOLDINGS, SUBNET, {"vpcId": vpc, "cidrBlock": block})
    assert found.startswith(said)
    assert bool(found) == bool(said)
