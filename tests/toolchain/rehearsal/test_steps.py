"""What a step must not overlook."""

from toolchain.doubles.aws.account import Record
from toolchain.doubles.aws.references import BUCKET, OBJECT, ROLE, SUBNET
from toolchain.rehearsal.steps import may_stay


def _record(token: str, identifier: str, urn: str = "urn", **inputs: str) -> Record:
    return Record(token, identifier, urn, "", inputs)


def test_only_what_is_retained_or_was_there_before_may_stay() -> None:
    """A role that the stack made, a subnet, an object of a bucket that was to go: none may."""
    retained = {"models"}
    assert may_stay(_record(BUCKET, "models"), retained)
    assert may_stay(_record(OBJECT, "models/o", "", bucket="models"), retained)
    assert may_stay(_record(ROLE, "deploy", ""), retained)
    assert not may_stay(_record(BUCKET, "predictions"), retained)
    assert not may_stay(_record(OBJECT, "predictions/o", "", bucket="predictions"), retained)
    assert not may_stay(_record(ROLE, "node"), retained)
    assert not may_stay(_record(SUBNET, "subnet-1"), retained)
