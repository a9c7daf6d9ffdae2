"""The resource types that the stand-in knows: a module for each service, a row for each type (data)."""

import itertools
from collections.abc import Mapping
from types import MappingProxyType

from toolchain.doubles.aws.resource_type import ResourceType
from toolchain.doubles.aws.types import budgets, cloudwatch, ec2, ecr, eks, iam, kms, s3

_MODULES = (budgets, cloudwatch, ec2, ecr, eks, iam, kms, s3)

TYPES: Mapping[str, ResourceType] = MappingProxyType(
    {row.token: row for row in itertools.chain.from_iterable(module.ROWS for module in _MODULES)}
)
"""Every row by its type."""


def where_to_extend(token: str) -> str:
    """What to say of a type that there is no row for."""
    service = token.split(":")[1].split("/", maxsplit=1)[0] if token.count(":") > 1 else "SERVICE"
    return (
        f"the type {token} is not offered by the stand-in for pulumi-resource-aws: add a row to "
        f"toolchain/doubles/aws/types/{service}.py, and its references to toolchain/doubles/aws/references.py"
    )
