"""A control plane: etcd, the API server and the controller manager, as argument lists and, for tests, as processes."""

import socket
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import httpx

from toolchain import kubeconfig, pki
from toolchain.errors import ToolchainError
from toolchain.install import install

SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
_START_SECONDS = 90

# What a namespace without Pod Security labels of its own gets; the system's own may do what a node needs.
_ADMISSION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: PodSecurity
    configuration:
      apiVersion: pod-security.admission.config.k8s.io/v1
      kind: PodSecurityConfiguration
      defaults: {enforce: baseline, enforce-version: latest, warn: restricted, warn-version: latest}
      exemptions: {namespaces: [kube-system]}
"""


@dataclass(frozen=True)
class Layout:
    """Where a control plane keeps its files and what it listens on.

    Attributes:
        folder: keys, data, kubeconfigs.
        address: the address that the API server advertises.
        api_port, etcd_port, etcd_peer_port: TCP ports on `bind_address`.
        bind_address: the address that the API server listens on.
        names: further names and addresses in the API server's certificate.
    """

    folder: Path
    address: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    bind_address: str
    names: tuple[str, ...] = ()

    @property
    def pki(self) -> Path:
        """The folder of keys and certificates."""
        return self.folder / "pki"

    @property
    def server(self) -> str:
        """The API server's URL, from beside it."""
        return f"https://127.0.0.1:{self.api_port}"

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of one of the control plane's users."""
        return self.folder / "kubeconfigs" / f"{user}.yaml"


# Kubernetes' own names for the users whom its bootstrap RBAC knows: file, user, group.
_USERS = (
    ("admin", "realtime-ml:admin", "system:masters"),
    ("controller-manager", "system:kube-controller-manager", ""),
    ("scheduler", "system:kube-scheduler", ""),
    ("proxy", "system:kube-proxy", ""),
)


def write_files(layout: Layout, context: str) -> None:
    """Make the keys, certificates, kubeconfigs and the admission configuration that the programs are given."""
    authority = pki.Authority(layout.pki, "ca").ensure()
    front = pki.Authority(layout.pki, "front-proxy-ca").ensure()
    pki.signing_key(layout.pki / "service-accounts.key")
    names = [
        "localhost",
        "127.0.0.1",
        layout.address,
        API_SERVICE_IP,
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ]
    authority.issue("apiserver", "kube-apiserver", names=[*names, *layout.names])
    authority.issue("apiserver-kubelet", "kube-apiserver-kubelet-client", organization="system:masters")
    authority.issue("etcd", "etcd", names=["localhost", "127.0.0.1"])
    front.issue("front-proxy", "front-proxy-client")
    for file, user, group in _USERS:
        pair = authority.issue(file, user, organization=group)
        kubeconfig.write(
            layout.kubeconfig(file),
            context=context,
            server=layout.server,
            authority=authority.pair.certificate,
            user=pair,
        )
    (layout.folder / "admission.yaml").write_text(_ADMISSION, encoding="utf-8")


def etcd(program: Path, layout: Layout) -> list[str]:
    """The command line of etcd: TLS with client certificates, also on the loopback that pods may share."""
    client, peer = f"https://127.0.0.1:{layout.etcd_port}", f"https://127.0.0.1:{layout.etcd_peer_port}"
    keys = layout.pki
    return [
        str(program),
        f"--data-dir={layout.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        *(
            f"--{prefix}{flag}"
            for prefix in ("", "peer-")
            for flag in (
                f"cert-file={keys / 'etcd.crt'}",
                f"key-file={keys / 'etcd.key'}",
                f"trusted-ca-file={keys / 'ca.crt'}",
                "client-cert-auth=true",
            )
        ),
        # One node on a shared disk: a late heartbeat is a slow disk and never another leader.
        "--heartbeat-interval=500",
        "--election-timeout=5000",
        "--log-level=warn",
    ]


def api_server(program: Path, layout: Layout) -> list[str]:
    """The command line of the API server: TLS, RBAC, Pod Security admission, aggregation."""
    keys = layout.pki
    return [
        str(program),
        f"--bind-address={layout.bind_address}",
        f"--secure-port={layout.api_port}",
        f"--advertise-address={layout.address}",
        f"--etcd-servers=https://127.0.0.1:{layout.etcd_port}",
        f"--etcd-cafile={keys / 'ca.crt'}",
        f"--etcd-certfile={keys / 'etcd.crt'}",
        f"--etcd-keyfile={keys / 'etcd.key'}",
        f"--client-ca-file={keys / 'ca.crt'}",
        f"--tls-cert-file={keys / 'apiserver.crt'}",
        f"--tls-private-key-file={keys / 'apiserver.key'}",
        f"--kubelet-certificate-authority={keys / 'ca.crt'}",
        f"--kubelet-client-certificate={keys / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={keys / 'apiserver-kubelet.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-signing-key-file={keys / 'service-accounts.key'}",
        f"--service-account-key-file={keys / 'service-accounts.key'}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--admission-control-config-file={layout.folder / 'admission.yaml'}",
        "--anonymous-auth=false",
        f"--requestheader-client-ca-file={keys / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={keys / 'front-proxy.crt'}",
        f"--proxy-client-key-file={keys / 'front-proxy.key'}",
        "--profiling=false",
    ]


def controller_manager(program: Path, layout: Layout) -> list[str]:
    """The command line of the controller manager, each controller with a service account of its own."""
    own = layout.kubeconfig("controller-manager")
    return [
        str(program),
        "--bind-address=127.0.0.1",
        f"--kubeconfig={own}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        f"--root-ca-file={layout.pki / 'ca.crt'}",
        f"--service-account-private-key-file={layout.pki / 'service-accounts.key'}",
        f"--cluster-signing-cert-file={layout.pki / 'ca.crt'}",
        f"--cluster-signing-key-file={layout.pki / 'ca.key'}",
        "--use-service-account-credentials=true",
        f"--flex-volume-plugin-dir={layout.folder / 'volume-plugins'}",
        "--leader-elect=false",
        "--profiling=false",
    ]


def scheduler(program: Path, layout: Layout) -> list[str]:
    """The command line of the scheduler."""
    own = layout.kubeconfig("scheduler")
    return [
        str(program),
        "--bind-address=127.0.0.1",
        f"--kubeconfig={own}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        "--leader-elect=false",
        "--profiling=false",
    ]


class ControlPlane:
    """A real API server with its controllers and without a node, for as long as the context lasts.

    Needs no root. Ports are whichever are free on 127.0.0.1.
    """

    def __init__(
        self, folder: Path, context: str = "control-plane", flags: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> None:
        """Prepare a control plane.

        Args:
            folder: where its files lie.
            context: name of its kubeconfig's one context.
            flags: further arguments, by program.
        """
        api_port, etcd_port, etcd_peer_port, self._manager_port, self._scheduler_port = free_ports(5)
        self._layout = Layout(folder, "127.0.0.1", api_port, etcd_port, etcd_peer_port, "127.0.0.1")
        self._context = context
        self._flags = flags
        self._running = ExitStack()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self._layout.kubeconfig("admin")

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._layout.server

    def __enter__(self) -> Self:
        """Start the three programs and wait until the API server is ready."""
        programs = install(["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"])
        write_files(self._layout, self._context)
        # The API server warns on an address of loopback and puts no endpoint for itself; nothing here needs one.
        commands: Mapping[str, list[str]] = {
            "etcd": etcd(programs["etcd"], self._layout),
            "kube-apiserver": [
                *api_server(programs["kube-apiserver"], self._layout),
                "--endpoint-reconciler-type=none",
            ],
            "kube-controller-manager": [
                *controller_manager(programs["kube-controller-manager"], self._layout),
                f"--secure-port={self._manager_port}",
            ],
        }
        try:
            for name, command in commands.items():
                self.run(name, [*command, *self._flags.get(name, ())])
                if name == "kube-apiserver":
                    self._wait_until_ready()
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the programs."""
        self._running.close()

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a further program, which ends with the control plane; what it prints goes into `<name>.log`."""
        log = self._running.enter_context((self._layout.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # Ctrl-C in a terminal reaches every process of the group; these end in order, when the context does.
            process_group=0,
        )
        self._running.callback(_stop, process)

    def run_scheduler(self, program: Path) -> None:
        """Start the scheduler, which a control plane without nodes does without."""
        self.run("kube-scheduler", [*scheduler(program, self._layout), f"--secure-port={self._scheduler_port}"])

    def _wait_until_ready(self) -> None:
        context = ssl.create_default_context(cafile=self._layout.pki / "ca.crt")
        context.load_cert_chain(self._layout.pki / "admin.crt", self._layout.pki / "admin.key")
        deadline = time.monotonic() + _START_SECONDS
        with httpx.Client(verify=context, timeout=5) as client:
            while time.monotonic() < deadline:
                try:
                    if client.get(f"{self.server}/readyz").is_success:
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                time.sleep(0.2)
        log = self._layout.folder / "kube-apiserver.log"
        tail = "\n    ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
        raise ToolchainError(
            "starting a control plane",
            f"no API server after {_START_SECONDS} s; it printed last:\n    {tail}",
            f"see {log}",
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on at this moment."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
