"""The provider's own inputs, as SDKs send them."""

from typing import Any

import pytest

from toolchain.doubles.aws import settings
from toolchain.doubles.errors import InvalidInputsError


def test_json_texts_are_read() -> None:
    """SDKs send what is no text as JSON."""
    found = settings.read(
        {"region": "eu-central-1", "allowedAccountIds": '["111122223333"]', "defaultTags": '{"tags":{"a":"b"}}'}, {}
    )
    assert found.allowed_accounts == ("111122223333",)
    assert found.default_tags == {"a": "b"}


def test_the_region_may_come_from_the_environment() -> None:
    """As for every program that speaks to AWS."""
    assert settings.read({}, {"AWS_DEFAULT_REGION": "eu-west-1"}).region == "eu-west-1"
    assert settings.read({"region": "us-east-1"}, {"AWS_REGION": "eu-west-1"}).region == "us-east-1"


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({}, "region"),
        ({"region": "Frankfurt"}, "region"),
        ({"region": "eu-central-1", "allowedAccountIds": ["1234"]}, "allowedAccountIds[0]"),
        ({"region": "eu-central-1", "defaultTags": "{"}, "defaultTags"),
    ],
)
def test_wrong_settings_are_refused(inputs: dict[str, Any], path: str) -> None:
    """Before anything else happens."""
    with pytest.raises(InvalidInputsError) as caught:
        settings.read(inputs, {})
    assert list(caught.value.failures) == [path]
