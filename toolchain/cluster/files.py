"""The configuration files of the node's programs."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from toolchain.cluster.programs import NETWORK, Program, layout
from toolchain.cluster.settings import POD_CIDR, ClusterSettings
from toolchain.control_plane import DNS_SERVICE_IP

_CONTAINERD_SOCKET = "/run/containerd/containerd.sock"


def render(
    settings: ClusterSettings,
    tools: Mapping[str, Path],
    programs: Sequence[Program],
    *,
    pause_image: str,
    search_path: str,
) -> dict[str, str]:
    """All files by their name.

    Args:
        settings: which cluster.
        tools: where each tool is.
        programs: what the supervisor runs.
        pause_image: the image that holds a pod's namespaces.
        search_path: PATH of the programs.
    """
    return {
        "containerd.toml": _containerd(settings, tools, pause_image),
        "cni/10-bridge.conflist": _cni(),
        "kubelet.yaml": _kubelet(settings),
        "kube-proxy.yaml": _kube_proxy(settings),
        "registry.yaml": _registry(settings),
        "haproxy.cfg": _haproxy(settings),
        "resolv.conf": f"nameserver {DNS_SERVICE_IP}\n",
        "supervisord.conf": _supervisord(settings, programs, search_path),
    }


def _containerd(settings: ClusterSettings, tools: Mapping[str, Path], pause_image: str) -> str:
    plugins = tools["bridge"].parent.parent / "root" / "usr" / "lib" / "cni"
    # oom_score_adj below the parent's own needs CAP_SYS_RESOURCE, which a sandboxed root lacks.
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{_CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{settings.folder / "config" / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "{tools["runc"]}"
      SystemdCgroup = false
"""


def _cni() -> str:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": POD_CIDR}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    return json.dumps(
        {
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}],
        },
        indent=1,
    )


def _kubelet(settings: ClusterSettings) -> str:
    keys = layout(settings).pki
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(keys / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(keys / "kubelet.crt"),
            "tlsPrivateKeyFile": str(keys / "kubelet.key"),
            "containerRuntimeEndpoint": f"unix://{_CONTAINERD_SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup(settings)}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [DNS_SERVICE_IP],
            "clusterDomain": "cluster.local",
            "resolvConf": str(settings.folder / "config" / "resolv.conf"),
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            # The machine's disk is shared with everything else on it: how full it is says little about the node.
            "evictionHard": {
                "memory.available": "200Mi",
                "nodefs.available": "1%",
                "nodefs.inodesFree": "1%",
                "imagefs.available": "1%",
            },
            "imageGCHighThresholdPercent": 100,
            "serializeImagePulls": False,
            "oomScoreAdj": 0,
            # Pods that stop at once when the cluster is taken down need no longer grace than this.
            "shutdownGracePeriod": "0s",
        },
        sort_keys=False,
    )


def _kube_proxy(settings: ClusterSettings) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(layout(settings).kubeconfig("proxy"))},
            # The only mode in which a NodePort answers on the node's 127.0.0.1, where the relay calls it.
            "mode": "iptables",
            "iptables": {"localhostNodePorts": True, "minSyncPeriod": "100ms"},
            "clusterCIDR": POD_CIDR,
            # These limits belong to the machine and cannot be set from the node's network.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "oomScoreAdj": 0,
        },
        sort_keys=False,
    )


def _registry(settings: ClusterSettings) -> str:
    return yaml.safe_dump(
        {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": "/var/lib/registry"}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{settings.registry_port}"},
        },
        sort_keys=False,
    )


def _haproxy(settings: ClusterSettings) -> str:
    # A watch or a keep-alive connection may be silent for long; 1 h ends only what was forgotten.
    head = """\
global
  maxconn 8192
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
"""
    relays = "".join(
        f"listen {name}\n  bind 127.0.0.1:{outside}\n  server node 127.0.0.1:{inside} namespace {NETWORK}\n"
        for name, (outside, inside) in settings.relays.items()
    )
    return head + relays


def _supervisord(settings: ClusterSettings, programs: Sequence[Program], search_path: str) -> str:
    socket = settings.folder / "supervisor.sock"
    head = f"""\
[supervisord]
nodaemon = true
silent = true
user = root
logfile = {settings.logs / "supervisord.log"}
pidfile = {settings.folder / "supervisord.pid"}
childlogdir = {settings.logs}
environment = PATH="{search_path}",HOME="/root"
[unix_http_server]
file = {socket}
chmod = 0700
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://{socket}
"""
    return head + "".join(
        f"""\
[program:{program.name}]
command = {shlex.join(program.full_command).replace("%", "%%")}
priority = {program.order}
autorestart = true
startsecs = 1
startretries = 1000
stopwaitsecs = {program.stop_seconds}
redirect_stderr = true
stdout_logfile = {settings.logs / program.name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 1
"""
        for program in programs
    )


def cgroup(settings: ClusterSettings) -> str:
    """The cgroup under which all pods of the node run."""
    return f"realtime-ml-node-{settings.name}"
