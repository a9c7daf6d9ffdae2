"""The place of an environment's state is made once, closed to the world, and every version of a state is kept."""

import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from moto import mock_aws

from tests.infra.harness import ENVIRONMENTS
from toolchain import pulumi_cli
from toolchain.errors import ToolchainError
from toolchain.state import Place, bootstrap

PLACE = Place.of("dev")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An account that answers from memory; gives what makes a client of a service."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", PLACE.account)
    with mock_aws():
        session = botocore.session.get_session()
        yield lambda service: session.create_client(service, region_name=PLACE.region)


def test_the_place_is_closed_and_keeps_every_version(account: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401 - botocore's clients have no types of their own
    """And the variables lead to it, on standard output alone."""
    bootstrap("dev", dry_run=False)
    s3, kms = account("s3"), account("kms")
    name = {"Bucket": PLACE.bucket}
    assert s3.get_bucket_location(**name)["LocationConstraint"] == PLACE.region
    assert all(s3.get_public_access_block(**name)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(**name)["Status"] == "Enabled"
    (statement,) = json.loads(s3.get_bucket_policy(**name)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    (rule,) = s3.get_bucket_lifecycle_configuration(**name)["Rules"]
    assert "Expiration" not in rule, "a state that is not written for a year is none the less the state"
    assert kms.get_key_rotation_status(KeyId=kms.describe_key(KeyId=f"alias/{PLACE.alias}")["KeyMetadata"]["KeyId"])[
        "KeyRotationEnabled"
    ]
    assert capsys.readouterr().out.splitlines() == [
        f"export PULUMI_BACKEND_URL='s3://{PLACE.bucket}?region={PLACE.region}'",
        f"export PULUMI_SECRETS_PROVIDER='awskms://alias/{PLACE.alias}?region={PLACE.region}'",
    ]


def test_the_second_time_nothing_is_made_twice(account: Any) -> None:  # noqa: ANN401 - as above
    """A second key would encrypt what the first cannot read."""
    bootstrap("dev", dry_run=False)
    bootstrap("dev", dry_run=False)
    assert len(account("kms").list_keys()["Keys"]) == 1
    assert [bucket["Name"] for bucket in account("s3").list_buckets()["Buckets"]] == [PLACE.bucket]


def test_shown_only_nothing_is_made(account: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401 - as above
    """And the same is told."""
    bootstrap("dev", dry_run=True)
    assert account("s3").list_buckets()["Buckets"] == []
    assert account("kms").list_keys()["Keys"] == []
    assert PLACE.bucket in capsys.readouterr().out


def test_another_account_is_refused_before_anything_is_made(account: Any) -> None:  # noqa: ANN401 - as above
    """The credentials at hand are dev's."""
    with pytest.raises(ToolchainError, match="nothing was touched"):
        bootstrap("prod", dry_run=False)
    assert account("s3").list_buckets()["Buckets"] == []


def test_the_local_stack_needs_none() -> None:
    """Its state is a folder."""
    with pytest.raises(ToolchainError, match="is a folder of this machine"):
        Place.of("local")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_place_lies_in_the_environments_own_account_and_its_name_fits(name: str) -> None:
    """The names of buckets have 63 characters at most."""
    place = Place.of(name)
    assert place.account == str(pulumi_cli.read_config(name)["config"]["realtime-ml:aws"]["account_id"])
    assert len(place.bucket) <= 63
