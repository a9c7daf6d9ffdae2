"""Things in an account that no stack made: objects in a bucket, images, a load balancer's interface in a subnet."""

from collections.abc import Mapping
from types import MappingProxyType

from toolchain.doubles.aws.account import Holdings, Record
from toolchain.doubles.aws.references import BUCKET, IMAGE, INTERFACE, KEY, OBJECT, REPOSITORY, ROLE, SUBNET
from toolchain.doubles.errors import RefusedError

KINDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "image": (IMAGE, "repository", REPOSITORY),
        "interface": (INTERFACE, "subnetId", SUBNET),
        "object": (OBJECT, "bucket", BUCKET),
    }
)
"""What can be put somewhere: its type, the property that says where, and the type of the place."""

_BY_ARN = {"iam": ROLE, "kms": KEY}


def plant_arn(holdings: Holdings, arn: str) -> Record:
    """Puts a role or a key there that a stack is told of and does not make."""
    token, name = _BY_ARN[arn.split(":")[2]], arn.rpartition("/")[2]
    record = Record(token, name, "", holdings.next_seed(""), {"name": name}, {"arn": arn, "name": name})
    holdings.records.append(record)
    return record


def plant(holdings: Holdings, kind: str, place: str, name: str) -> Record:
    """Puts one there.

    Raises:
        RefusedError: the place is not in the account, or has one of the name already.
    """
    token, where, target = KINDS[kind]
    identifier = f"{place}/{name}"
    if holdings.find(target, place) is None:
        message = f"there is no {target} {place!r} in the account"
        raise RefusedError(message)
    if holdings.find(token, identifier) is not None:
        message = f"there is a {kind} {name!r} in {place!r} already"
        raise RefusedError(message)
    record = Record(token, identifier, "", holdings.next_seed(""), {where: place, "name": name})
    holdings.records.append(record)
    return record
