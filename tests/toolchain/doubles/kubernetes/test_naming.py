"""Objects get their kind, name and namespace."""

import re
from typing import Any

import pytest

from toolchain.doubles.errors import InvalidInputsError
from toolchain.doubles.kubernetes import naming
from toolchain.doubles.properties import UNKNOWN
from toolchain.doubles.provider import Naming, Resource

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"


def _completed(
    new: dict[str, Any],
    old: dict[str, Any] | None = None,
    how: Naming | None = None,
    token: str = CONFIG_MAP,
    name: str = "cfg",
) -> dict[str, Any]:
    resource = Resource(urn=f"urn::{name}", token=token, name=name)
    return naming.completed(resource, old or {}, new, how or Naming(seed=b"one"), "ambient")


def test_a_missing_name_is_made_up_and_marked() -> None:
    """From the resource's name, as a DNS label, with a random end."""
    inputs = _completed({}, name="Web_Settings")
    assert re.fullmatch(r"web-settings-[0-9a-f]{8}", inputs["metadata"]["name"])
    assert naming.is_autonamed(inputs)


def test_a_made_up_name_stays() -> None:
    """Whatever the engine's seed is the next time."""
    first = _completed({})
    again = _completed({}, old=first, how=Naming(seed=b"two"))
    assert again["metadata"] == first["metadata"]


def test_a_replacement_gets_another_name() -> None:
    """The engine checks it without old inputs, and with another seed."""
    assert _completed({})["metadata"]["name"] != _completed({}, how=Naming(seed=b"two"))["metadata"]["name"]


def test_a_given_name_is_not_inherited_as_made_up() -> None:
    """A name that the program once gave and no longer does is not kept."""
    old = {"metadata": {"name": "given"}}
    assert _completed({}, old=old)["metadata"]["name"] != "given"


def test_a_long_name_fits_a_dns_label() -> None:
    """63 characters, the suffix included."""
    assert len(_completed({}, name="x" * 100)["metadata"]["name"]) == 63


def test_a_given_name_is_left_as_it_is() -> None:
    """And not marked."""
    inputs = _completed({"metadata": {"name": "given"}})
    assert inputs["metadata"] == {"name": "given", "namespace": "ambient"}
    assert not naming.is_autonamed(inputs)


def test_the_stacks_naming_configuration_is_followed() -> None:
    """A proposal is taken; where automatic names are disabled, a missing one is refused with its path."""
    assert _completed({}, how=Naming(proposal="dev-cfg"))["metadata"]["name"] == "dev-cfg"
    with pytest.raises(InvalidInputsError) as caught:
        _completed({}, how=Naming(disabled=True))
    assert "metadata.name" in caught.value.failures


@pytest.mark.parametrize(
    ("token", "namespace"),
    [
        (CONFIG_MAP, "ambient"),
        ("kubernetes:core/v1:Namespace", None),
        ("kubernetes:storage.k8s.io/v1:StorageClass", None),
        ("kubernetes:karpenter.sh/v1:NodePool", None),
    ],
)
def test_the_namespace_is_filled_in_where_the_kind_surely_has_one(token: str, namespace: str | None) -> None:
    """For a custom kind only the server can say."""
    assert _completed({}, token=token)["metadata"].get("namespace") == namespace


def test_metadata_that_is_not_known_yet_is_left_alone() -> None:
    """The preview goes on without a name."""
    assert _completed({"metadata": UNKNOWN})["metadata"] is UNKNOWN


def test_the_inputs_of_the_program_are_not_changed() -> None:
    """The engine still has them."""
    given: dict[str, Any] = {"metadata": {"labels": {"a": "b"}}}
    _completed(given)
    assert given == {"metadata": {"labels": {"a": "b"}}}


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:core/v1:ConfigMapPatch",
        "kubernetes:core/v1:ConfigMapList",
        "kubernetes:kustomize:Directory",
    ],
)
def test_what_is_not_offered_is_refused_by_name(token: str) -> None:
    """With the token in the reason."""
    with pytest.raises(InvalidInputsError, match=re.escape(token)):
        _completed({}, token=token)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("kubernetes:core/v1:Pod", ("v1", "Pod")),
        ("kubernetes:apps/v1:Deployment", ("apps/v1", "Deployment")),
        ("kubernetes:karpenter.sh/v1:NodePool", ("karpenter.sh/v1", "NodePool")),
    ],
)
def test_a_token_tells_the_kind(token: str, expected: tuple[str, str]) -> None:
    """The core group has no name of its own on the server."""
    assert naming.kind_of(token) == expected


def test_the_field_manager_follows_from_the_urn() -> None:
    """The same after an `up` that recorded nothing; another for another stack."""
    assert naming.field_manager("urn:pulumi:dev::a") == naming.field_manager("urn:pulumi:dev::a")
    assert naming.field_manager("urn:pulumi:dev::a") != naming.field_manager("urn:pulumi:prod::a")
