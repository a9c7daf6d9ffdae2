"""The image provider builds with the real buildah and pushes to a real registry."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.engine.harness import Stack
from toolchain.doubles.docker_build.registry import is_in_registry
from toolchain.install import install

PROGRAM = """
import os
import pulumi
import pulumi_docker_build as docker_build

config = pulumi.Config()
image = docker_build.Image(
    "web",
    build_on_preview=False,
    context={"location": "../context"},
    dockerfile={"location": f"../context/{config.get('dockerfile') or 'Dockerfile'}"},
    build_args={"GREETING": "hello"},
    labels={"team": "one"},
    push=True,
    tags=[f"{os.environ['REGISTRY']}/web:test"],
)
pulumi.export("ref", image.ref)
pulumi.export("digest", image.digest)
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A registry's address, and the folder of what it holds."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
    data = tmp_path / "registry"
    settings = {"version": 0.1, "storage": {"filesystem": {"rootdirectory": str(data)}}, "http": {"addr": address}}
    (tmp_path / "registry.yaml").write_text(json.dumps(settings))
    command = [str(install(["registry"])["registry"]), "serve", str(tmp_path / "registry.yaml")]
    with (
        (tmp_path / "registry.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            _wait_for(address)
            yield address, data
        finally:
            process.terminate()


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """What buildah needs to work in folders of its own."""
    settings = tmp_path / "settings"
    policy = settings / ".config" / "containers" / "policy.json"
    policy.parent.mkdir(parents=True)
    policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{tmp_path}/graph"\nrunroot = "{tmp_path}/run"\n'
    (tmp_path / "storage.conf").write_text(storage)
    buildah = str(install(["buildah"])["buildah"])
    environment = {
        "TOOLCHAIN_BUILDAH": buildah,
        "CONTAINERS_STORAGE_CONF": str(tmp_path / "storage.conf"),
        "HOME": str(settings),
    }
    yield environment
    # Its storage is mounted onto itself, which pytest could not clear away.
    subprocess.run(
        [buildah, "rmi", "--all", "--force"], env={**os.environ, **environment}, check=True, capture_output=True
    )
    for mount in ("graph/overlay", "graph"):
        subprocess.run(["umount", tmp_path / mount], check=False, capture_output=True)


def test_an_image_is_built_when_its_files_change_and_only_then(
    stack: Stack, registry: tuple[str, Path], builder: Mapping[str, str]
) -> None:
    """Preview builds nothing; up pushes; only an admitted file, or an image lost from the registry, builds again."""
    address, data = registry
    stack.environment = {**stack.environment, **builder, "REGISTRY": address}
    context = stack.folder / "context"
    (context / "src").mkdir(parents=True)
    (context / "src" / "greeting").write_text("one")
    (context / "Dockerfile").write_text("FROM scratch\nARG GREETING\nCOPY src /src\nLABEL greeting=$GREETING\n")
    (context / ".dockerignore").write_text("*\n!src\n**/*.tmp\n")
    stack.write(PROGRAM)

    assert stack.succeed("preview").operations == [("create", "web")]
    assert not data.exists(), "a preview pushes nothing"

    stack.succeed("up")
    reference, digest = stack.outputs["ref"], stack.outputs["digest"]
    assert reference == f"{address}/web:test@{digest}"
    assert is_in_registry(reference)

    (context / "notes").write_text("not for the image")
    (context / "src" / "cache.tmp").write_text("not for the image")
    os.utime(context / "src" / "greeting", (1, 1))
    stack.succeed("preview", "--expect-no-changes")

    (context / "src" / "greeting").write_text("two")
    preview = stack.succeed("preview")
    assert preview.detail("web") == {"contextHash": "update"}
    assert stack.succeed("up").operations == [("update", "web")]
    assert stack.outputs["digest"] != digest

    stack.succeed("refresh", "--expect-no-changes")
    shutil.rmtree(data / "docker" / "registry" / "v2" / "repositories")
    assert stack.succeed("up", "--refresh").operations[-1] == ("create", "web")
    assert is_in_registry(stack.outputs["ref"])

    (context / "Dockerfile.broken").write_text("FROM scratch\nCOPY missing /\n")
    (context / "Dockerfile.broken.dockerignore").write_text("")
    stack.configure(dockerfile="Dockerfile.broken")
    failed = stack.command("up")
    assert failed.code != 0
    assert "missing" in failed.errors, "the builder's own words are in the error"


def _wait_for(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 15
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, f"no registry at {address}"
            time.sleep(0.1)
        else:
            return


COPY = """
import pulumi_docker_build as docker_build

docker_build.Index("web", sources=["one.example/web:1"], tag="two.example/web:1", push=True)
"""


def test_a_copy_is_planned_recorded_on_demand_and_otherwise_refused(stack: Stack) -> None:
    """Between registries only the official plugin copies; a rehearsal records that it would, once."""
    stack.write(COPY)
    assert stack.succeed("preview").operations[-1] == ("create", "web")
    refused = stack.command("up")
    assert refused.code != 0
    assert "copies no images between registries: install the official plugin" in refused.errors

    stack.environment = {**stack.environment, "DOCKER_BUILD_DOUBLE_RECORD": "true"}
    stack.succeed("up")
    assert stack.resources()["web"]["outputs"]["ref"].startswith("two.example/web:1@sha256:")
    assert stack.succeed("up", "--refresh").operations == []
    stack.succeed("destroy")
