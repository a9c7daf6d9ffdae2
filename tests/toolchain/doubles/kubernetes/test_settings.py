"""The provider's inputs."""

import pytest

from toolchain.doubles.errors import InvalidInputsError
from toolchain.doubles.kubernetes.objects import GroupKind
from toolchain.doubles.kubernetes.settings import read
from toolchain.doubles.properties import UNKNOWN


def test_booleans_come_as_text_or_not() -> None:
    """SDKs send the provider's own inputs as JSON text."""
    settings = read({"enableConfigMapMutable": "true", "enableSecretMutable": True, "enableServerSideApply": "true"})
    assert settings.mutable_kinds == {GroupKind("", "ConfigMap"), GroupKind("", "Secret")}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("enableServerSideApply", "false"),
        ("renderYamlToDirectory", "out"),
        ("deleteUnreachable", "true"),
        ("enableSecretMutable", "yes"),
    ],
)
def test_what_is_not_done_is_refused_by_name(key: str, value: str) -> None:
    """Rather than done otherwise."""
    with pytest.raises(InvalidInputsError) as caught:
        read({key: value})
    assert list(caught.value.failures) == [key]


def test_what_is_switched_off_is_no_reason_to_refuse() -> None:
    """SDKs send defaults, too."""
    assert read({"deleteUnreachable": "false", "renderYamlToDirectory": ""}).kubeconfig == ""


def test_a_switch_that_is_not_known_yet_is_left_open() -> None:
    """A preview goes on."""
    assert read({"enableSecretMutable": UNKNOWN}).mutable_kinds == frozenset()
