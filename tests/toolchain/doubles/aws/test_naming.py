"""Names that the program leaves out."""

import re

import pytest

from toolchain.doubles.aws import naming
from toolchain.doubles.aws.references import BUCKET, ROLE, VPC
from toolchain.doubles.aws.types import TYPES
from toolchain.doubles.errors import InvalidInputsError
from toolchain.doubles.provider import Naming, Resource

SEED = Naming(seed=b"one")


def _resource(token: str, name: str) -> Resource:
    return Resource(urn=f"urn::{name}", token=token, name=name)


def test_a_missing_name_is_made_up_and_stays() -> None:
    """A replacement, which is checked without old inputs, gets another."""
    row, resource = TYPES[BUCKET], _resource(BUCKET, "Models")
    first = naming.completed(row, resource, {}, {}, SEED)
    assert re.fullmatch(r"models-[0-9a-f]{7}", first["bucket"])
    again = naming.completed(row, resource, first, {}, Naming(seed=b"two"))
    assert again == first
    assert naming.completed(row, resource, {}, {}, Naming(seed=b"two")) != first


def test_a_given_name_is_taken() -> None:
    """And not kept once the program no longer gives it."""
    row, resource = TYPES[ROLE], _resource(ROLE, "scoring")
    given = naming.completed(row, resource, {}, {"name": "mine"}, SEED)
    assert given == {"name": "mine"}
    assert naming.completed(row, resource, given, {}, SEED)["name"] != "mine"


def test_a_made_up_name_fits() -> None:
    """Roles' names have 64 characters at most."""
    found = naming.completed(TYPES[ROLE], _resource(ROLE, "a" * 100), {}, {}, SEED)
    assert len(found["name"]) == 64


def test_a_type_without_names_gets_none() -> None:
    """Networks have tags for that; where names are forbidden, that is told only where one is needed."""
    never = Naming(disabled=True)
    assert naming.completed(TYPES[VPC], _resource(VPC, "one"), {}, {}, never) == {}
    with pytest.raises(InvalidInputsError, match="autonaming"):
        naming.completed(TYPES[ROLE], _resource(ROLE, "one"), {}, {}, never)
