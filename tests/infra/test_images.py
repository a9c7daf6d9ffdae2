"""Whether images can be built is known before anything is made."""

from pathlib import Path

import pulumi
import pytest

from infra.images import require_builder


def program(folder: Path, name: str, status: int) -> None:
    """A program that does nothing but end."""
    file = folder / name
    file.write_text(f"#!/bin/sh\nexit {status}\n", encoding="utf-8")
    file.chmod(0o755)


@pytest.mark.parametrize("docker", [None, 1])
def test_without_docker_an_update_ends_before_anything_is_made(
    docker: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is not installed or does not run; the cluster would be there before the first image failed."""
    if docker is not None:
        program(tmp_path, "docker", docker)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pulumi.RunError, match=r"nothing was changed: Docker does not answer .*; install or start it"):
        require_builder()


@pytest.mark.parametrize("name", ["docker", "pulumi-resource-docker-build"])
def test_with_docker_or_a_plugin_that_brings_its_own_builder_it_goes_on(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The toolchain's stand-in builds without a daemon."""
    program(tmp_path, name, 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    require_builder()
