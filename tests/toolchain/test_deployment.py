"""What a state says of its stack."""

import json
from typing import Any

from toolchain.deployment import Deployment


def _entry(token: str, name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as Pulumi exports it
    return {"urn": f"urn:pulumi:prod::realtime-ml::{token}::{name}", "type": token, "custom": True, "id": name, **more}


def _parse(*entries: dict[str, Any]) -> Deployment:
    return Deployment.parse(json.dumps({"version": 3, "deployment": {"resources": list(entries)}}))


def test_components_providers_and_what_is_on_its_way_out_are_no_resources() -> None:
    """Only what exists outside of the state counts."""
    found = _parse(
        _entry("realtime-ml:aws:Platform", "aws", custom=False),
        _entry("pulumi:providers:aws", "aws"),
        _entry("aws:s3/bucket:Bucket", "old", delete=True),
        _entry("aws:s3/bucket:Bucket", "models", retainOnDelete=True, protect=True),
    ).resources
    assert [(each.name, each.retained, each.protected) for each in found] == [("models", True, True)]


def test_the_accounts_are_those_that_the_providers_may_work_in() -> None:
    """Each once; a stack without AWS has none."""
    provider = _entry("pulumi:providers:aws", "aws", inputs={"allowedAccountIds": '["777788889999"]'})
    assert _parse(provider, provider).accounts == ["777788889999"]
    assert _parse(_entry("pulumi:providers:kubernetes", "local", inputs={})).accounts == []


def test_an_empty_stack_has_nothing() -> None:
    """Pulumi exports one without a deployment's resources."""
    assert Deployment.parse('{"version": 3, "deployment": {"manifest": {}}}').resources == []
