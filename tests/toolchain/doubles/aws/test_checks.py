"""Inputs that AWS's API would not take are refused, each with its path, its value and what would fit."""

import importlib
import re
import sys
import typing
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi._types import input_type_py_to_pulumi_names, is_input_type

from toolchain.doubles.aws.checks import failures
from toolchain.doubles.aws.models import operation_input
from toolchain.doubles.aws.references import ASSOCIATION, BUCKET, CLUSTER, REPOSITORY, ROLE, SUBNET, VPC
from toolchain.doubles.aws.resource_type import ResourceType
from toolchain.doubles.aws.types import TYPES, where_to_extend
from toolchain.doubles.properties import UNKNOWN

_ROLE_ARN = "arn:aws:iam::111122223333:role/cluster"
_CLUSTER = {"name": "one", "roleArn": _ROLE_ARN, "vpcConfig": {"subnetIds": ["subnet-1", UNKNOWN]}}


def _failures(token: str, inputs: dict[str, Any]) -> dict[str, str]:
    row = TYPES[token]
    return failures(row, operation_input(row.service, row.operation), inputs)


@pytest.mark.parametrize(
    ("token", "inputs", "path", "reason"),
    [
        (VPC, {"cidrBlock": "10.0.0.1/16"}, "cidrBlock", "is '10.0.0.1/16'; it has bits set .*10.0.0.0/16 fits"),
        (VPC, {"cidrBlock": "10.0.0.0"}, "cidrBlock", "prefix length"),
        (VPC, {"cidrBlock": "10.0.0.0/8"}, "cidrBlock", "from /16 to /28"),
        (VPC, {"cidrBlock": "300.0.0.0/16"}, "cidrBlock", "CIDR notation"),
        (VPC, {"instanceTenancy": "shared"}, "instanceTenancy", "is 'shared'; allowed: default, dedicated, host"),
        (VPC, {"enableDnsSupport": "yes"}, "enableDnsSupport", "true or false"),
        (VPC, {"tags": {"aws:owner": "me"}}, 'tags["aws:owner"]', "aws:"),
        (VPC, {"cidr": "10.0.0.0/16"}, "cidr", "is no property that CreateVpc knows; there are .*cidrBlock"),
        (SUBNET, {"cidrBlock": "10.0.0.0/24"}, "vpcId", "is missing; CreateSubnet requires it"),
        (SUBNET, {"vpcId": "vpc-1", "availabilityZone": "eu-central-1"}, "availabilityZone", "eu-central-1a"),
        (ASSOCIATION, {"routeTableId": "rtb-1", "tags": {"a": "b"}}, "tags", "has no tags"),
        (ROLE, {"name": "a b", "assumeRolePolicy": "{}"}, "name", "is 'a b'; it must match"),
        (ROLE, {"name": "a", "assumeRolePolicy": "{"}, "assumeRolePolicy", "must be a JSON document"),
        (ROLE, {"name": "a" * 65, "assumeRolePolicy": "{}"}, "name", "65 characters; allowed: from 1 to 64"),
        (ROLE, {"name": "a"}, "assumeRolePolicy", "is missing; CreateRole requires it"),
        (ROLE, {"name": "a", "assumeRolePolicy": "{}", "region": "eu-central-1"}, "region", "is in no region"),
        (
            REPOSITORY,
            {"name": "one", "imageTagMutability": "IMMUTABEL"},
            "imageTagMutability",
            "is 'IMMUTABEL'; allowed: MUTABLE, IMMUTABLE",
        ),
        (REPOSITORY, {"name": "One"}, "name", "is 'One'; it must match"),
        (
            REPOSITORY,
            {"name": "one", "encryptionConfigurations": [{"encryptionType": "NONE"}]},
            "encryptionConfigurations[0].encryptionType",
            "allowed: AES256, KMS",
        ),
        (
            CLUSTER,
            {**_CLUSTER, "accessConfig": {"authenticationMode": "IAM"}},
            "accessConfig.authenticationMode",
            "is 'IAM'; allowed: API, API_AND_CONFIG_MAP, CONFIG_MAP",
        ),
        (CLUSTER, {**_CLUSTER, "enabledClusterLogTypes": ["api", "audits"]}, "enabledClusterLogTypes[1]", "audits"),
        (
            CLUSTER,
            {**_CLUSTER, "vpcConfig": {"subnetIds": ["subnet-1"], "publicAccessCidrs": ["10.0.0.0/33"]}},
            "vpcConfig.publicAccessCidrs[0]",
            "CIDR notation",
        ),
        (CLUSTER, {**_CLUSTER, "vpcConfig": {"subnets": []}}, "vpcConfig.subnets", "there are .*subnetIds"),
        (CLUSTER, {"name": "one", "roleArn": _ROLE_ARN}, "vpcConfig", "is missing; CreateCluster requires it"),
        (CLUSTER, {**_CLUSTER, "roleArn": "cluster"}, "roleArn", "must be an ARN"),
    ],
)
def test_wrong_inputs_are_told(token: str, inputs: dict[str, Any], path: str, reason: str) -> None:
    """A misspelt value, a wrong shape, a name that is none, something left out."""
    found = _failures(token, inputs)
    assert list(found) == [path]
    assert re.search(reason, found[path])


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        (VPC, {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "tags": {"Name": "one"}}),
        (VPC, {"cidrBlock": UNKNOWN, "instanceTenancy": UNKNOWN}),
        (CLUSTER, {**_CLUSTER, "enabledClusterLogTypes": ["api", "audit"], "computeConfig": {"enabled": True}}),
        (BUCKET, {"bucket": "one-bucket", "forceDestroy": True}),
    ],
)
def test_right_inputs_pass(token: str, inputs: dict[str, Any]) -> None:
    """And what a preview cannot know yet."""
    assert _failures(token, inputs) == {}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("row", TYPES.values(), ids=lambda row: row.token)
def test_every_property_of_the_sdk_is_in_the_row(row: ResourceType) -> None:
    """At every depth: no program that the official provider takes is refused for a property that the table forgot."""
    everything = _everything(_arguments(row), frozenset())
    found = {path: why for path, why in _failures(row.token, everything).items() if "is no property" in why}
    assert not found
    assert not {key for key in row.members if "." not in key} - set(everything), "the table names what the SDK does not"
    assert not {rule.partition(".")[0] for rule in row.immutable} - {"*", *everything}
    assert row.tags == ("tags" in everything)
    assert row.regional == ("region" in everything)


def _arguments(row: ResourceType) -> type:
    """The class of the resource's arguments; where a nested one has its name, it is called otherwise."""
    _, module, name = row.token.split(":")
    folder = module.partition("/")[0]
    file = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    content = vars(importlib.import_module(f"pulumi_aws.{folder}.{file}"))
    found: type = content.get(f"{name}InitArgs") or content[f"{name}Args"]
    return found


def _everything(arguments: type, seen: frozenset[type]) -> dict[str, Any]:
    """Every property that an argument class has, with nothing known of the values but which have properties."""
    module = vars(sys.modules[arguments.__module__])
    hints = typing.get_type_hints(vars(arguments)["__init__"], module, {"Output": pulumi.Output, "T": Any})
    names = input_type_py_to_pulumi_names(arguments)
    return {wire: _value_of(hints[name], seen | {arguments}) for name, wire in names.items()}


def _value_of(hint: object, seen: frozenset[type]) -> object:
    nested = [kind for kind in _classes(hint) if is_input_type(kind) and kind not in seen]
    return _everything(nested[0], seen) if nested else UNKNOWN


def _classes(hint: object) -> Iterator[type]:
    if isinstance(hint, type) and not typing.get_args(hint):
        yield hint
    for part in typing.get_args(hint):
        yield from _classes(part)


def test_an_unknown_type_names_the_file_to_extend() -> None:
    """By its service."""
    assert "toolchain/doubles/aws/types/sqs.py" in where_to_extend("aws:sqs/queue:Queue")
