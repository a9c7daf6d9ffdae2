"""Whether a subnet fits into its VPC (pure)."""

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

from toolchain.doubles.aws.account import Holdings
from toolchain.doubles.aws.references import SUBNET, VPC


def misfit(holdings: Holdings, token: str, inputs: Mapping[str, Any]) -> str:
    """Why a subnet cannot be made, with AWS's error; empty where it can, and for everything else."""
    vpc = holdings.find(VPC, str(inputs.get("vpcId"))) if token == SUBNET else None
    if vpc is None or not inputs.get("cidrBlock") or not vpc.inputs.get("cidrBlock"):
        return ""
    block, whole = IPv4Network(inputs["cidrBlock"]), IPv4Network(vpc.inputs["cidrBlock"])
    if not block.subnet_of(whole):
        return f"InvalidSubnet.Range: {block} does not lie in {whole}, the network of {vpc.identifier}"
    for other in holdings.of(SUBNET):
        taken = other.inputs.get("cidrBlock")
        if other.inputs.get("vpcId") == vpc.identifier and taken and block.overlaps(IPv4Network(taken)):
            return f"InvalidSubnet.Conflict: {block} overlaps {taken} of {other.identifier}"
    return ""
