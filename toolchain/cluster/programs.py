"""The programs of the node: a table of what runs, with which arguments, in which network, in which order."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain import control_plane
from toolchain.cluster.settings import API_PORT, NODE_IP, NODE_PREFIX, ClusterSettings
from toolchain.control_plane import SERVICE_CIDR, Layout

NETWORK = "node"
NETWORK_FILE = f"/run/netns/{NETWORK}"


@dataclass(frozen=True)
class Program:
    """A program that the supervisor keeps running.

    Attributes:
        name: its name in the status, and of its log.
        command: the program and its arguments.
        order: lower starts earlier and stops later.
        on_host_network: it runs in the machine's network; the others see the node's alone.
        stop_seconds: how long it may take to stop.
    """

    name: str
    command: tuple[str, ...]
    order: int
    on_host_network: bool = False
    stop_seconds: int = 10

    @property
    def full_command(self) -> tuple[str, ...]:
        """The command as the supervisor runs it."""
        return self.command if self.on_host_network else ("nsenter", f"--net={NETWORK_FILE}", "--", *self.command)


def layout(settings: ClusterSettings) -> Layout:
    """The control plane of the embedded node. Its ports are in the node's network, so that they never clash."""
    return Layout(settings.folder / "control-plane", NODE_IP, API_PORT, 2379, 2380, "0.0.0.0", (settings.name,))  # noqa: S104 - of the node's own network


def programs(settings: ClusterSettings, tools: Mapping[str, Path]) -> tuple[Program, ...]:
    """All programs of the node.

    Args:
        settings: which cluster.
        tools: where each tool is.
    """
    plane = layout(settings)
    files = settings.folder / "config"

    def tool(name: str, *arguments: str) -> tuple[str, ...]:
        return (str(tools[name]), *arguments)

    return (
        # Relays from 127.0.0.1 into the node's network: no rule, route or bridge of the machine is touched.
        Program("relay", tool("haproxy", "-W", "-f", str(files / "haproxy.cfg")), 10, on_host_network=True),
        Program("etcd", tuple(control_plane.etcd(tools["etcd"], plane)), 10),
        Program("registry", tool("registry", "serve", str(files / "registry.yaml")), 10),
        Program("containerd", tool("containerd", "--config", str(files / "containerd.toml")), 10),
        # It would wait for the pods' watches, which end with the node; what it answered is in etcd already.
        Program("kube-apiserver", tuple(control_plane.api_server(tools["kube-apiserver"], plane)), 20, stop_seconds=3),
        Program(
            "kube-controller-manager",
            tuple(control_plane.controller_manager(tools["kube-controller-manager"], plane)),
            30,
        ),
        Program("kube-scheduler", tuple(control_plane.scheduler(tools["kube-scheduler"], plane)), 30),
        Program(
            "kube-proxy",
            tool("kube-proxy", f"--config={files / 'kube-proxy.yaml'}", f"--hostname-override={settings.name}"),
            30,
        ),
        Program(
            "kubelet",
            tool(
                "kubelet",
                f"--config={files / 'kubelet.yaml'}",
                f"--kubeconfig={plane.kubeconfig('kubelet')}",
                f"--hostname-override={settings.name}",
                f"--node-ip={NODE_IP}",
                "--node-labels=node.kubernetes.io/instance-type=embedded,topology.kubernetes.io/zone=local",
            ),
            30,
        ),
    )


# Run in the node's network before any program starts. A bridge without ports is an address that is always up.
NETWORK_SETUP = (
    ("link", "set", "lo", "up"),
    ("link", "add", "node0", "type", "bridge"),
    ("address", "add", f"{NODE_IP}/{NODE_PREFIX}", "dev", "node0"),
    ("link", "set", "node0", "up"),
    # There is no way out, so no default route; a service's address must lead somewhere before kube-proxy rewrites it.
    ("route", "add", SERVICE_CIDR, "dev", "node0"),
)

# Settings of the node's network. kube-proxy's rules must see what pods of one bridge send each other's services.
NETWORK_SYSCTLS = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables")
