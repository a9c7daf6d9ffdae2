"""Starting, stopping and looking at the embedded node."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from filelock import FileLock

from toolchain import control_plane, images, kubeconfig, pki
from toolchain.cluster import addons, files
from toolchain.cluster.programs import layout, programs
from toolchain.cluster.settings import API_PORT, NODE_IP, ClusterSettings
from toolchain.errors import ToolchainError
from toolchain.install import bin_dir, install
from toolchain.paths import REPOSITORY, cache_dir
from toolchain.progress import console, step

_NODE_TOOLS = [
    "bridge",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "coredns",
    "etcd",
    "haproxy",
    "ip",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "local-path-provisioner",
    "metrics-server",
    "pause",
    "registry",
    "runc",
    "xtables-nft-multi",
]
_IPTABLES = ("iptables", "iptables-restore", "iptables-save", "ip6tables", "ip6tables-restore", "ip6tables-save")

_START_SECONDS = 120
_STOP_SECONDS = 60

# Settings of the whole machine that a kubelet changes; they are put back when the node goes.
_MACHINE_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)

_STARTING = "starting the embedded cluster"


@dataclass(frozen=True)
class Status:
    """The state of one embedded cluster.

    Attributes:
        running: whether its first process is alive.
        programs: by name, what the supervisor says of it.
        memory_bytes: proportional share of memory of all its processes, pods included.
    """

    running: bool
    programs: dict[str, str]
    memory_bytes: int


def check(settings: ClusterSettings) -> None:
    """Find out what would keep the cluster from starting before anything long is begun.

    Raises:
        ToolchainError: this is not root, or a port is taken.
    """
    if os.geteuid() != 0:
        raise ToolchainError(
            _STARTING,
            "it needs root, and this is not root",
            "run as root, or use a cluster that you have: make up KUBE_CONTEXT=<its context>",
        )
    # Who starts it at this moment holds the lock, and its ports are no stranger's.
    with _lock(settings):
        if first_process(settings) is None:
            _refuse_taken_ports(settings)


def up(settings: ClusterSettings) -> None:
    """Start the cluster unless it runs, and wait until a pod can be scheduled on it.

    One that runs with other programs or settings than this checkout's is stopped first; its data stays.

    Raises:
        ToolchainError: not root, a port is taken, a tool is not to be had, or it does not get ready.
    """
    check(settings)
    tools = install(_NODE_TOOLS)
    with _lock(settings):
        settings.folder.mkdir(exist_ok=True)
        if first_process(settings) is not None and not _is_current(settings, tools):
            down(settings)
            _refuse_taken_ports(settings)
        if first_process(settings) is None:
            with step(_STARTING, 20):
                _write_files(settings, tools)
                _remember_machine_settings(settings)
                _make_cgroups(settings)
                _start(settings, tools)
                _wait(settings, "the API server", lambda: _answers(settings, "/readyz"))
        references = images.provide(settings.registry, images.system_images(tools))
        addons.apply(settings, tools["kubectl"], references, images.provide_base(settings.registry))
        with step("waiting for the node and its add-ons", 20):
            addons.wait(settings, tools["kubectl"])


def down(settings: ClusterSettings) -> None:
    """Stop the cluster; its data stays. No process, mount, network or firewall rule of it is left."""
    process = first_process(settings)
    if process is not None:
        with step(f"stopping the embedded cluster {settings.name}", 15):
            parent = process.parent()
            process.send_signal(signal.SIGTERM)
            _, alive = psutil.wait_procs([process], timeout=_STOP_SECONDS)
            for each in alive:
                each.kill()
            if parent is not None:
                psutil.wait_procs([parent], timeout=10)
    _remove_cgroups(settings)
    _restore_machine_settings(settings)


def clean(settings: ClusterSettings) -> None:
    """Stop the cluster and remove its data."""
    down(settings)
    shutil.rmtree(settings.folder, ignore_errors=True)


def status(settings: ClusterSettings) -> Status:
    """Look at the cluster without changing anything."""
    process = first_process(settings)
    if process is None:
        return Status(running=False, programs={}, memory_bytes=0)
    control = Path(sys.executable).with_name("supervisorctl")
    answer = subprocess.run(
        [control, "-c", settings.folder / "config" / "supervisord.conf", "status"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    lines = (line.split(None, 1) for line in answer.stdout.splitlines() if line.strip())
    return Status(
        running=True, programs={line[0]: line[1] for line in lines if len(line) > 1}, memory_bytes=_memory(process)
    )


def first_process(settings: ClusterSettings) -> psutil.Process | None:
    """The first process of the node (1 in its own numbering), as the machine numbers it; none while it is down."""
    try:
        launcher = psutil.Process(int((settings.folder / "launcher.pid").read_text(encoding="utf-8")))
        # After a restart of the machine the number may be somebody else's.
        if str(settings.folder) not in launcher.cmdline():
            return None
        return next(iter(launcher.children()), None)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None


def _write_files(settings: ClusterSettings, tools: dict[str, Path]) -> None:
    plane = layout(settings)
    control_plane.write_files(plane, settings.name)
    authority = pki.Authority(plane.pki, "ca")
    kubelet = authority.issue(
        "kubelet",
        f"system:node:{settings.name}",
        organization="system:nodes",
        names=[settings.name, NODE_IP, "127.0.0.1"],
    )
    ca = authority.pair.certificate
    kubeconfig.write(
        plane.kubeconfig("kubelet"), context=settings.name, server=plane.server, authority=ca, user=kubelet
    )
    admin = pki.Pair(plane.pki / "admin.crt", plane.pki / "admin.key")
    kubeconfig.write(settings.kubeconfig, context=settings.name, server=settings.server, authority=ca, user=admin)
    node_bin = settings.folder / "bin"
    node_bin.mkdir(exist_ok=True)
    for name in _IPTABLES:
        script = node_bin / name
        script.write_text(f'#!/bin/sh\nexec "{tools["xtables-nft-multi"]}" {name} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    settings.logs.mkdir(exist_ok=True)
    for path, text in _config_files(settings, tools).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _config_files(settings: ClusterSettings, tools: dict[str, Path]) -> dict[Path, str]:
    search_path = f"{settings.folder / 'bin'}:{bin_dir()}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    chosen = programs(settings, tools)
    pause = next(
        images.reference(settings.registry, image) for image in images.system_images(tools) if image.name == "pause"
    )
    rendered = files.render(settings, tools, chosen, pause_image=pause, search_path=search_path)
    return {settings.folder / "config" / name: text for name, text in rendered.items()}


def _is_current(settings: ClusterSettings, tools: dict[str, Path]) -> bool:
    wanted = _config_files(settings, tools)
    return all(path.exists() and path.read_text(encoding="utf-8") == text for path, text in wanted.items())


def _start(settings: ClusterSettings, tools: dict[str, Path]) -> None:
    namespaces = [
        "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount",
        "--propagation=private",
        "--mount-proc",
        "--uts",
        "--ipc",
    ]
    supervisor = Path(sys.executable).with_name("supervisord")
    visible = [settings.folder, cache_dir(), REPOSITORY, Path(sys.prefix)]
    init = [sys.executable, "-m", "toolchain.cluster.init", settings.folder, supervisor, *visible]
    command = [*namespaces, *map(str, init)]
    with (settings.logs / "init.log").open("wb") as log:
        launcher = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "PATH": f"{tools['ip'].parent}:{os.environ['PATH']}:/usr/sbin:/sbin"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (settings.folder / "launcher.pid").write_text(str(launcher.pid), encoding="utf-8")


def _wait(settings: ClusterSettings, what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not condition():
        if first_process(settings) is None:
            raise _not_ready(settings, f"its first process ended before {what} was ready", "init.log")
        if time.monotonic() > deadline:
            raise _not_ready(settings, f"{what} was not ready after {_START_SECONDS} s", "kube-apiserver.log")
        time.sleep(0.2)


def _not_ready(settings: ClusterSettings, cause: str, log: str) -> ToolchainError:
    path = settings.logs / log
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-8:] if path.exists() else []
    tail = "".join(f"\n    {line}" for line in lines)
    return ToolchainError(
        _STARTING, f"{cause}; {path} ends with:{tail}", "see the logs beside it; `make cluster-down`, then run it again"
    )


def _answers(settings: ClusterSettings, path: str) -> bool:
    keys = layout(settings).pki
    context = ssl.create_default_context(cafile=keys / "ca.crt")
    context.load_cert_chain(keys / "admin.crt", keys / "admin.key")
    try:
        return httpx.get(f"{settings.server}{path}", verify=context, timeout=2).is_success
    except httpx.TransportError:
        return False


def _lock(settings: ClusterSettings) -> FileLock:
    settings.folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.folder.parent / f"{settings.name}.lock")


def _refuse_taken_ports(settings: ClusterSettings) -> None:
    for name, (port, _) in settings.relays.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise ToolchainError(
                    _STARTING,
                    f"127.0.0.1:{port}, wanted for {name}, is taken{_holder(port)}",
                    "end what listens there, or move all ports: "
                    f"make up PORT_OFFSET={settings.port_offset + 1000} (it becomes {port + 1000})",
                ) from error


def _holder(port: int) -> str:
    for connection in psutil.net_connections("tcp"):
        if (
            connection.laddr
            and connection.laddr.port == port
            and connection.status == psutil.CONN_LISTEN
            and connection.pid
        ):
            return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return ""


def _memory(process: psutil.Process) -> int:
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it ended meanwhile
    return total


def _cgroup_roots() -> list[Path]:
    """Where cgroups are made: the one hierarchy of version 2, or each controller's of version 1."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return [
        folder
        for folder in root.iterdir()
        if folder.is_dir() and not folder.is_symlink() and (folder / "cgroup.procs").exists()
    ]


def _make_cgroups(settings: ClusterSettings) -> None:
    for root in _cgroup_roots():
        own = root / files.cgroup(settings)
        own.mkdir(exist_ok=True)
        if root.name == "cpuset":
            # Version 1 starts a new set empty, and an empty one takes no process.
            for name in ("cpuset.cpus", "cpuset.mems"):
                (own / name).write_text((root / name).read_text(encoding="utf-8"), encoding="utf-8")
        controllers = root / "cgroup.controllers"
        if controllers.exists():
            wanted = {"cpu", "cpuset", "hugetlb", "io", "memory", "pids"} & set(
                controllers.read_text(encoding="utf-8").split()
            )
            for folder in (root, own):
                (folder / "cgroup.subtree_control").write_text(
                    " ".join(f"+{name}" for name in sorted(wanted)), encoding="utf-8"
                )


def _remove_cgroups(settings: ClusterSettings) -> None:
    for root in _cgroup_roots():
        own = root / files.cgroup(settings)
        if own.is_dir():
            for parent, folders, _ in os.walk(own, topdown=False):
                for name in folders:
                    Path(parent, name).rmdir()
            own.rmdir()


def _remember_machine_settings(settings: ClusterSettings) -> None:
    values = {name: Path("/proc/sys", name).read_text(encoding="utf-8").strip() for name in _MACHINE_SETTINGS}
    (settings.folder / "machine-settings.json").write_text(json.dumps(values, indent=1), encoding="utf-8")


def _restore_machine_settings(settings: ClusterSettings) -> None:
    remembered = settings.folder / "machine-settings.json"
    if remembered.exists():
        for name, value in json.loads(remembered.read_text(encoding="utf-8")).items():
            Path("/proc/sys", name).write_text(value, encoding="utf-8")
        remembered.unlink()


def describe(settings: ClusterSettings) -> None:
    """Print the cluster's state for a person."""
    state = status(settings)
    if not state.running:
        console.print(f"{settings.name}: down (`make cluster-up` starts it)")
        return
    console.print(
        f"{settings.name}: up, {state.memory_bytes / 2**30:.1f} GiB, "
        f"kubeconfig {settings.kubeconfig}, logs {settings.logs}"
    )
    for name, text in state.programs.items():
        console.print(f"  {name:<26}{text}")
    console.print(f"  API {settings.server} (port {API_PORT} on the node), registry {settings.registry}")
