"""The cluster of a rehearsal: a real control plane and Karpenter, with simulated nodes."""

import json
import os
import secrets
import shutil
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from toolchain.control_plane import ControlPlane, free_ports
from toolchain.doubles.aws.account import Account
from toolchain.doubles.kubernetes.client import ApiError, Cluster
from toolchain.doubles.kubernetes.kubeconfig import load
from toolchain.doubles.kubernetes.objects import KubernetesObject, condition, dig
from toolchain.doubles.kubernetes.settings import Settings
from toolchain.errors import ToolchainError
from toolchain.install import install
from toolchain.rehearsal import aws_cli
from toolchain.rehearsal.controllers import DISK_DRIVER, Controllers

_MANIFESTS = Path(__file__).parent / "manifests"
_MANAGER = "rehearsal"
_READY_SECONDS = 30.0

# The policy that swaps the node class is a feature that Kubernetes 1.34 has switched off.
_API_SERVER = (
    "--feature-gates=MutatingAdmissionPolicy=true",
    "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
)
# Nothing in it is worth a wait for the disk.
_ETCD = ("--unsafe-no-fsync",)

# Disks are made by the rehearsal, and no machine is there to attach them to.
_DISK_DRIVER = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "CSIDriver",
    "metadata": {"name": DISK_DRIVER},
    "spec": {"attachRequired": False},
}

# A pool as the stack's are, to find out whether the swap is in force.
_PROBE = {
    "apiVersion": "karpenter.sh/v1",
    "kind": "NodePool",
    "metadata": {"name": "probe"},
    "spec": {
        "template": {
            "spec": {
                "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": "probe"},
                "requirements": [],
            }
        }
    },
}


class RehearsalCluster:
    """An API server with Karpenter and simulated nodes, for as long as the context lasts."""

    def __init__(self, folder: Path, account: Account, instance_types: list[dict[str, Any]]) -> None:
        """Prepare it.

        Args:
            folder: for its files and logs.
            account: what AWS's controllers work in.
            instance_types: what Karpenter may choose from.
        """
        self._folder = folder
        self._account = account
        self._instance_types = instance_types
        self._running = ExitStack()
        self._token = secrets.token_urlsafe(32)
        self._plane = ControlPlane(
            folder,
            "rehearsal",
            flags={"kube-apiserver": (*_API_SERVER, f"--token-auth-file={folder / 'tokens.csv'}"), "etcd": _ETCD},
        )

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self._plane.kubeconfig

    @property
    def path(self) -> Path:
        """The folder with the stand-in for the AWS CLI, for PATH."""
        return self._folder / "path"

    def __enter__(self) -> Self:
        """Start everything, and wait until it can take the stack's objects."""
        tools = install(["karpenter", "kwok", "kube-scheduler"])
        self._folder.mkdir(parents=True, exist_ok=True)
        tokens = self._folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{self._token},rehearsal,rehearsal,"system:masters"\n', encoding="utf-8")
        aws_cli.install(self.path, self._token)
        try:
            self._running.enter_context(self._plane)
            self.client = Cluster(load(Settings(kubeconfig=str(self.kubeconfig)), {}))
            self._running.callback(self.client.close)
            self._define(tools["karpenter"].parent)
            self._plane.run_scheduler(tools["kube-scheduler"])
            self._run_kwok(tools["kwok"])
            self._run_karpenter(tools["karpenter"])
            self.controllers = self._running.enter_context(Controllers(self.client, self._account))
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything; the logs stay."""
        self._running.close()
        for folder in ("etcd", "pki", "kubeconfigs"):
            shutil.rmtree(self._folder / folder, ignore_errors=True)

    def apply(self, body: KubernetesObject) -> None:
        """Make or change an object as whoever operates the cluster would, against other managers of its fields too."""
        endpoint = self.client.endpoint(body["apiVersion"], body["kind"])
        path = endpoint.path(dig(body, "metadata", "namespace"), body["metadata"]["name"])
        self.client.apply(path, body, _MANAGER, force=True)

    def list(self, api_version: str, kind: str, **query: str) -> list[KubernetesObject]:
        """All objects of a kind, of all namespaces."""
        return self.client.items(self.client.endpoint(api_version, kind).path(None), **query)

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> None:
        """Delete an object with what belongs to it."""
        self.client.delete(self.client.endpoint(api_version, kind).path(namespace, name), "Foreground")

    def _define(self, karpenter: Path) -> None:
        """The kinds that the stack's objects are of, and the swap of the node class."""
        folders = (karpenter / "pkg/apis/crds", karpenter / "kwok/apis/crds", _MANIFESTS)
        files = [file for folder in folders for file in sorted(folder.glob("*.yaml")) if file.name != "stages.yaml"]
        bodies = [body for file in files for body in yaml.safe_load_all(file.read_text(encoding="utf-8")) if body]
        for body in [*bodies, _DISK_DRIVER]:
            self.apply(body)
        names = [body["metadata"]["name"] for body in bodies if body["kind"] == "CustomResourceDefinition"]
        path = self.client.endpoint("apiextensions.k8s.io/v1", "CustomResourceDefinition").path(None)
        deadline = time.monotonic() + _READY_SECONDS
        while not (all(_established(self.client.get(f"{path}/{name}")) for name in names) and self._swaps()):
            if time.monotonic() > deadline:
                raise ToolchainError(
                    "preparing the rehearsal's cluster",
                    f"after {_READY_SECONDS:.0f} s the API server does not swap the node class of a node pool",
                    f"see {self._folder / 'kube-apiserver.log'}",
                )
            time.sleep(0.2)

    def _swaps(self) -> bool:
        try:
            path = self.client.endpoint("karpenter.sh/v1", "NodePool").path(None, "probe")
            tried = self.client.apply(path, _PROBE, _MANAGER, dry_run=True)
        except ApiError:
            return False
        return bool(dig(tried.live, "spec", "template", "spec", "nodeClassRef", "kind") == "KWOKNodeClass")

    def _run_kwok(self, program: Path) -> None:
        stages = program.parent / "kustomize/stage"
        files = [
            stages / "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
            stages / "pod/fast/pod-ready.yaml",
            stages / "pod/fast/pod-delete.yaml",
            _MANIFESTS / "stages.yaml",
        ]
        self._plane.run(
            "kwok",
            [
                str(program),
                f"--kubeconfig={self.kubeconfig}",
                "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
                "--node-lease-duration-seconds=40",
                "--node-ip=10.0.0.1",
                "--cidr=10.0.0.0/8",
                *(f"--config={file}" for file in files),
            ],
        )

    def _run_karpenter(self, program: Path) -> None:
        types = self._folder / "instance_types.json"
        types.write_text(json.dumps(self._instance_types), encoding="utf-8")
        metrics, health = free_ports(2)
        self._plane.run(
            "karpenter",
            [
                str(program),
                "--disable-leader-election=true",
                f"--metrics-port={metrics}",
                f"--health-probe-port={health}",
                f"--instance-types-file-path={types}",
            ],
            {
                "PATH": os.environ["PATH"],
                "HOME": str(self._folder),
                "HOSTNAME": socket.gethostname(),
                "KUBECONFIG": str(self.kubeconfig),
                "SYSTEM_NAMESPACE": "kube-system",
            },
        )


def _established(definition: KubernetesObject) -> bool:
    return condition(definition, "Established").get("status") == "True"
