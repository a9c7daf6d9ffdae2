"""The provider's functions that need nothing of an account but its number (pure)."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from toolchain.doubles.errors import RefusedError
from toolchain.doubles.properties import Properties

_CHINA, _GOVERNMENT = "cn-", "us-gov-"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        account: the account's number; empty where there is none.
        region: the provider's.
    """

    account: str
    region: str


def _identity(_: Properties, caller: Caller) -> Properties:
    arn = f"arn:{_partition_of(caller.region)}:sts::{_number(caller)}:assumed-role/stand-in/stand-in"
    return {"accountId": caller.account, "arn": arn, "id": caller.account, "userId": "AROASTANDIN:stand-in"}


def _region(arguments: Properties, caller: Caller) -> Properties:
    name = str(arguments.get("region") or arguments.get("name") or caller.region)
    endpoint = f"ec2.{name}.amazonaws.com"
    return {"id": name, "name": name, "region": name, "description": name, "endpoint": endpoint}


def _partition(_: Properties, caller: Caller) -> Properties:
    partition = _partition_of(caller.region)
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    reverse = ".".join(reversed(suffix.split(".")))
    return {"id": partition, "partition": partition, "dnsSuffix": suffix, "reverseDnsPrefix": reverse}


def _authorization_token(arguments: Properties, caller: Caller) -> Properties:
    registry = str(arguments.get("registryId") or _number(caller))
    region = str(arguments.get("region") or caller.region)
    password = "stand-in"  # noqa: S105 - there is nothing to log in to
    return {
        "id": region,
        "region": region,
        "registryId": registry,
        "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
        "userName": "AWS",
        "password": password,
        "proxyEndpoint": f"https://{registry}.dkr.ecr.{region}.amazonaws.com",
        "expiresAt": "2100-01-01T00:00:00Z",
    }


FUNCTIONS: Mapping[str, Callable[[Properties, Caller], Properties]] = MappingProxyType(
    {
        "aws:ecr/getAuthorizationToken:getAuthorizationToken": _authorization_token,
        "aws:index/getCallerIdentity:getCallerIdentity": _identity,
        "aws:index/getPartition:getPartition": _partition,
        "aws:index/getRegion:getRegion": _region,
    }
)
"""Each function that is answered."""


def _number(caller: Caller) -> str:
    if not caller.account:
        message = (
            "there is no simulated account to ask: name a file in AWS_DOUBLE_ACCOUNT, or give the provider "
            "allowedAccountIds"
        )
        raise RefusedError(message)
    return caller.account


def _partition_of(region: str) -> str:
    if region.startswith(_CHINA):
        return "aws-cn"
    return "aws-us-gov" if region.startswith(_GOVERNMENT) else "aws"
