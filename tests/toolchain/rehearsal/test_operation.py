"""What a run of Pulumi did, by its own events."""

from typing import Any

from toolchain.rehearsal.operation import Operation

_URN = "urn:pulumi:prod::realtime-ml::aws:s3/bucket:Bucket::models"


def _event(operation: str, kind: str = "resOutputsEvent", of: str = "aws:s3/bucket:Bucket") -> dict[str, Any]:
    return {kind: {"metadata": {"op": operation, "type": of, "urn": _URN}}}


def test_only_what_went_well_and_changed_something_counts() -> None:
    """Not what was the same, what failed, or what is Pulumi's own."""
    events = [
        _event("same"),
        _event("refresh"),
        _event("create", "resOpFailedEvent"),
        _event("create", "resourcePreEvent"),
        _event("create", of="pulumi:providers:aws"),
    ]
    assert Operation.of(0, events).done == []


def test_what_was_made_and_deleted_is_told_apart() -> None:
    """Each by type and name; replacing is both."""
    made = Operation.of(0, [_event("create"), _event("update")])
    assert (made.made, made.gone) == ({("aws:s3/bucket:Bucket", "models")}, set())
    replaced = Operation.of(0, [_event("create-replacement"), _event("delete-replaced")])
    assert replaced.made == replaced.gone == {("aws:s3/bucket:Bucket", "models")}


def test_errors_are_those_of_the_engine() -> None:
    """Warnings are none."""
    events = [
        {"diagnosticEvent": {"severity": severity, "message": f"{severity}\n"}} for severity in ("error", "warning")
    ]
    assert Operation.of(255, events).errors == ["error"]
