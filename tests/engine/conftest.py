"""One control plane for all engine tests; a stack and a namespace for each."""

import itertools
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.engine.harness import Kubectl, Stack
from toolchain.control_plane import ControlPlane
from toolchain.doubles import launchers
from toolchain.install import install

_counter = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks everything in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def tools() -> Mapping[str, Path]:
    """The pinned programs, from the cache that `make tools` fills."""
    return install(["pulumi", "kubectl"])


@pytest.fixture(scope="session")
def environment(tools: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the CLI runs with: the stand-ins on PATH, nothing of the person's own Pulumi or cluster."""
    folder = tmp_path_factory.mktemp("pulumi")
    launchers.install(folder / "bin", Path(sys.executable), launchers.MODULES)
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "PATH": os.pathsep.join([str(folder / "bin"), str(tools["pulumi"].parent), os.environ["PATH"]]),
        "PULUMI_CONFIG_PASSPHRASE": "correct horse battery staple",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real API server with its controllers, and no node."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture
def kubectl(tools: Mapping[str, Path], control_plane: ControlPlane, request: pytest.FixtureRequest) -> Kubectl:
    """The cluster as kubectl sees it, in a namespace of the test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    namespace = f"{name}-{next(_counter)}"
    Kubectl(tools["kubectl"], control_plane.kubeconfig, "default")("create", "namespace", namespace)
    return Kubectl(tools["kubectl"], control_plane.kubeconfig, namespace)


@pytest.fixture
def stack(environment: Mapping[str, str], tools: Mapping[str, Path], tmp_path: Path) -> Stack:
    """An empty project."""
    return Stack(tmp_path / "project", environment, Path(sys.prefix), tools["pulumi"])


@pytest.fixture
def cluster_stack(stack: Stack, control_plane: ControlPlane, kubectl: Kubectl) -> Stack:
    """An empty project whose ambient cluster is the control plane, and whose `NAMESPACE` is the test's."""
    stack.environment = {
        **stack.environment,
        "KUBECONFIG": str(control_plane.kubeconfig),
        "NAMESPACE": kubectl.namespace,
    }
    return stack
