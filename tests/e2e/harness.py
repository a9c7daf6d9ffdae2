"""The stack under test, driven as a person drives it: by make."""

import json
import os
import shutil
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from obstore.store import S3Store

from toolchain.cluster.settings import ClusterSettings
from toolchain.install import bin_dir

ROOT = Path(__file__).resolve().parents[2]
# Beside a developer's own cluster, whose ports are without the offset, and the tutorial's, which has 1500.
SHARED = ClusterSettings("realtime-ml-test", 1000)
"""Of the tests that need a stack as `make up` leaves it."""
GRADUAL = ClusterSettings("realtime-ml-gradual", 2000)
"""Of the tests whose stack is configured otherwise."""


@dataclass(frozen=True)
class Stack:
    """The stack under test.

    Attributes:
        outputs: what `make outputs` prints.
        cluster: what it runs on.
    """

    outputs: dict[str, Any]
    cluster: ClusterSettings

    def make(self, *targets: str, checkout: Path = ROOT, quiet: bool = False, **variables: str) -> str:
        """Run targets as a person does, and return what they print; see `make`."""
        return make(self.cluster, *targets, checkout=checkout, quiet=quiet, **variables)

    def kubectl(self, *arguments: str) -> str:
        """Ask the test's cluster."""
        command = [str(bin_dir() / "kubectl"), f"--kubeconfig={self.outputs['kubeconfig']}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def objects(self) -> list[str]:
        """Everything of the stack that the cluster holds."""
        kinds = "all,configmaps,secrets,persistentvolumeclaims,namespaces"
        selector = "--selector=app.kubernetes.io/part-of=realtime-ml"
        return self.kubectl("get", kinds, "--all-namespaces", selector, "--output=name").split()

    def alerts(self) -> set[str]:
        """The names of those that Alertmanager holds as active."""
        found = httpx.get(f"{self.outputs['alertmanager_url']}/api/v2/alerts", timeout=10).raise_for_status().json()
        return {alert["labels"]["alertname"] for alert in found if alert["status"]["state"] == "active"}

    def bucket(self, name: str) -> S3Store:
        """A bucket of the stack's object store, opened with the key that the scoring pods have."""
        secrets = json.loads(self.kubectl("get", "secrets", "--namespace=ml", "--output=json"))["items"]
        data = next(secret["data"] for secret in secrets if "scoring" in secret["metadata"]["name"])
        access, key = sorted((b64decode(value).decode() for value in data.values()), key=len)
        return S3Store(
            name,
            endpoint=self.outputs["object_store_url"],
            region="us-east-1",
            access_key_id=access,
            secret_access_key=key,
            client_options={"allow_http": True},
        )


@contextmanager
def running(cluster: ClusterSettings, checkout: Path = ROOT) -> Iterator[Stack]:
    """The stack of a checkout, up on a cluster of its own, which is taken away whole afterwards."""
    try:
        make(cluster, "up", checkout=checkout)
        yield Stack(json.loads(make(cluster, "outputs", checkout=checkout, quiet=True)), cluster)
    finally:
        make(cluster, "clean")


def make(cluster: ClusterSettings, *targets: str, checkout: Path = ROOT, quiet: bool = False, **variables: str) -> str:
    """Run make on a test's cluster; a failure shows all that it printed.

    Args:
        cluster: which.
        targets: what to make.
        checkout: where; one made by `copy_checkout` runs its own code in this one's virtual environment.
        quiet: return stdout alone.
        variables: of the environment, on top of the test's.
    """
    done = subprocess.run(
        ["make", "--no-print-directory", *targets],
        cwd=checkout,
        env={
            **_own(),
            "CLUSTER": cluster.name,
            "PORT_OFFSET": str(cluster.port_offset),
            "PYTHONPATH": str(checkout),
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=None if quiet else subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"make {' '.join(targets)} ended with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


def _own() -> dict[str, str]:
    """This process's variables, without those that make hands on: the jobs of `make test-e2e` are not theirs."""
    return {key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}


def copy_checkout(target: Path) -> Path:
    """A second checkout, to be changed at will."""
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", "*.egg-info")
    shutil.copytree(ROOT, target, ignore=ignored)
    (target / ".venv").symlink_to(ROOT / ".venv")
    return target


def configure(file: Path, chosen: dict[str, Any]) -> None:
    """Adds settings to a stack's configuration, section by section, as a person who adds them to what is there."""
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    for section, values in chosen.items():
        document["config"][section] = {**document["config"].get(section, {}), **values}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")


_Seen = TypeVar("_Seen")


def eventually(look: Callable[[], _Seen], fits: Callable[[_Seen], bool], timeout_seconds: float = 60) -> _Seen:
    """Look again and again until what is seen fits, or the time is over; the last look is returned either way."""
    deadline = time.monotonic() + timeout_seconds
    seen = look()
    while not fits(seen) and time.monotonic() < deadline:
        time.sleep(1)
        seen = look()
    return seen
