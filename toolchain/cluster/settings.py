"""What tells one embedded cluster from another: its name, its folder, its ports on 127.0.0.1."""

import os
from dataclasses import dataclass
from pathlib import Path

from toolchain import project
from toolchain.errors import ToolchainError
from toolchain.paths import state_dir

# Inside the node's own network nothing else can hold an address or a port, so these never change.
NODE_IP = "10.245.0.1"
NODE_PREFIX = 24
POD_CIDR = "10.244.0.0/24"
API_PORT = 6443

# Ports on the machine's 127.0.0.1. Those of NodePort services bear the same number inside and outside.
HOST_API_PORT = 30443
HOST_REGISTRY_PORT = 30500
NODE_PORTS = {
    **{f"scoring-{place}": 30080 + place for place in range(10)},  # one a model
    "prometheus": 30090,
    "alertmanager": 30093,
    "grafana": 30094,
    "drift": 30095,
    "retraining": 30096,
    "dask_dashboard": 30097,
    "object_store": 30900,
}


@dataclass(frozen=True)
class ClusterSettings:
    """One embedded cluster.

    Attributes:
        name: the name of its folder, its node and its kubeconfig context.
        port_offset: added to every port on 127.0.0.1, so that clusters can run side by side.
    """

    name: str = project.NAME
    port_offset: int = 0

    @classmethod
    def from_environment(cls) -> "ClusterSettings":
        """Read `CLUSTER` and `PORT_OFFSET`, as `make` hands them on.

        Raises:
            ToolchainError: the offset is no number, or moves ports out of their range.
        """
        name = os.environ.get("CLUSTER") or project.NAME
        text = os.environ.get("PORT_OFFSET") or "0"
        if not text.isdecimal() or int(text) > 65535 - max(NODE_PORTS.values()):
            raise ToolchainError(
                "reading PORT_OFFSET",
                f"PORT_OFFSET={text}",
                f"give a number from 0 to {65535 - max(NODE_PORTS.values())}",
            )
        return cls(name, int(text))

    @property
    def folder(self) -> Path:
        """The one folder of the cluster's state and logs."""
        return state_dir() / "clusters" / self.name

    @property
    def logs(self) -> Path:
        """A log file for each program of the node."""
        return self.folder / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for use on the machine."""
        return self.folder / "kubeconfig"

    @property
    def server(self) -> str:
        """The API server's URL on the machine."""
        return f"https://127.0.0.1:{HOST_API_PORT + self.port_offset}"

    @property
    def registry(self) -> str:
        """The image registry's address, the same on the machine and on the node."""
        return f"127.0.0.1:{self.registry_port}"

    @property
    def registry_port(self) -> int:
        """The registry's port, on the machine and on the node."""
        return HOST_REGISTRY_PORT + self.port_offset

    @property
    def relays(self) -> dict[str, tuple[int, int]]:
        """By name, the port on the machine and the port on the node that it leads to."""
        ports = {name: (port + self.port_offset, port) for name, port in NODE_PORTS.items()}
        return {
            "api": (HOST_API_PORT + self.port_offset, API_PORT),
            "registry": (self.registry_port, self.registry_port),
            **ports,
        }
