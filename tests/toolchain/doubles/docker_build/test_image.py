"""The inputs of an image."""

from pathlib import Path
from typing import Any

import pytest

from toolchain.doubles.docker_build.buildah import build_arguments, plain_http, push_arguments
from toolchain.doubles.docker_build.image import CONTEXT_HASH, is_local, manifest_url, parse, with_hash
from toolchain.doubles.errors import InvalidInputsError
from toolchain.doubles.properties import UNKNOWN

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Any]:
    """The least that builds."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    return {"context": {"location": str(tmp_path)}, "push": True, "tags": ["127.0.0.1:5000/web:dev"]}


def test_the_hash_is_an_input(inputs: dict[str, Any]) -> None:
    """So that a changed file shows in a diff."""
    assert len(with_hash(inputs)[CONTEXT_HASH]) == 64


def test_a_context_that_is_not_known_yet_has_no_hash_yet(inputs: dict[str, Any]) -> None:
    """The preview goes on."""
    assert with_hash({**inputs, "context": {"location": UNKNOWN}})[CONTEXT_HASH] is UNKNOWN


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"context": {"location": "/nowhere"}}, "context.location"),
        ({"dockerfile": {"location": "/nowhere"}}, "dockerfile.location"),
        ({"dockerfile": {"inline": "FROM scratch"}}, "dockerfile.inline"),
        ({"tags": []}, "tags"),
        ({"platforms": ["linux/amd64", "linux/arm64"]}, "platforms"),
        ({"secrets": {"a": "b"}}, "secrets"),
        ({"exports": [{"raw": "x"}]}, "exports"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_is_made(
    inputs: dict[str, Any], given: dict[str, Any], path: str
) -> None:
    """With the property's path."""
    with pytest.raises(InvalidInputsError) as caught:
        with_hash({**inputs, **given})
    assert list(caught.value.failures) == [path]


def test_the_official_default_is_to_build_on_preview(inputs: dict[str, Any]) -> None:
    """A program that wants none says so."""
    assert parse(inputs).build_on_preview
    assert not parse({**inputs, "buildOnPreview": False}).build_on_preview


def test_inputs_reach_the_builder(inputs: dict[str, Any]) -> None:
    """Arguments, labels, target and platform, and no switch that turns TLS off for bases from elsewhere."""
    given = {"buildArgs": {"BASE": "x"}, "labels": {"team": "one"}, "target": "app", "platforms": ["linux/amd64"]}
    arguments = build_arguments(parse({**inputs, **given}), Path("/scratch/id"))
    for part in ("--build-arg=BASE=x", "--label=team=one", "--tag=127.0.0.1:5000/web:dev", "--isolation=chroot"):
        assert part in arguments
    assert arguments[arguments.index("--target") + 1] == "app"
    assert arguments[arguments.index("--platform") + 1] == "linux/amd64"
    assert not any("tls" in argument for argument in arguments)


def test_plain_http_is_for_this_machine_only(inputs: dict[str, Any]) -> None:
    """And passwords are no arguments, which others could read."""
    secret = {"address": "registry.example.com", "username": "u", "password": "do not tell"}
    image = parse({**inputs, "registries": [secret]})
    local = push_arguments(image, "id", "127.0.0.1:5000/web:dev", Path("/scratch"))
    remote = push_arguments(image, "id", "registry.example.com/web:dev", Path("/scratch"))
    assert "--tls-verify=false" in local
    assert "--tls-verify=false" not in remote
    assert "do not tell" not in " ".join([*local, *remote])
    assert "do not tell" not in repr(image)


def test_a_base_from_this_machine_may_come_over_plain_http() -> None:
    """Without a second entry for a registry that the settings know already."""
    settings = plain_http("", ["127.0.0.1:5000/base:1", "127.0.0.1:5000/other:1", "docker.io/library/python:3.11"])
    assert settings.count("[[registry]]") == 1
    assert 'location = "127.0.0.1:5000"\ninsecure = true' in settings
    assert plain_http(settings, ["127.0.0.1:5000/base:1"]) == settings


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        (f"127.0.0.1:5000/a/b:dev@{DIGEST}", f"http://127.0.0.1:5000/v2/a/b/manifests/{DIGEST}"),
        (f"localhost/web@{DIGEST}", f"http://localhost/v2/web/manifests/{DIGEST}"),
        (f"registry.example.com/web:1@{DIGEST}", f"https://registry.example.com/v2/web/manifests/{DIGEST}"),
    ],
)
def test_a_reference_tells_where_to_ask(reference: str, url: str) -> None:
    """By digest, whatever the tag."""
    assert manifest_url(reference) == url


def test_a_name_that_only_starts_like_loopback_is_not_local() -> None:
    """It would be spoken to without TLS."""
    assert not is_local("127.0.0.1.example.com/web:1")
    assert not is_local("localhost.example.com/web:1")


def test_what_is_no_reference_is_refused() -> None:
    """With what it is."""
    with pytest.raises(ValueError, match="'web'"):
        manifest_url("web")
