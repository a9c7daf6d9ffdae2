"""Which tools there are, which versions are wanted, and how each is had where PATH lacks it."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

GO_MODULES = Path(__file__).parent / "go"


@dataclass(frozen=True)
class Tool:
    """A program that the project runs.

    Attributes:
        name: the program's name on PATH.
        source: the Go module folder (`toolchain/go/<source>`) or the Debian package that brings it.
        accepts: versions of it that are used when found on PATH; none: always our own, because nobody else pins it.
        version_command: arguments that make it print its version.
        path: Go package to build, or the file inside the Debian package.
        for_up: whether `make up` needs it; what does not is for rehearsals and tests.
    """

    name: str
    source: str
    path: str
    accepts: SpecifierSet | None = None
    version_command: tuple[str, ...] = ("--version",)
    for_up: bool = True


@dataclass(frozen=True)
class GoModule:
    """A folder with a go.mod of its own (and the checksums in go.sum) from which tools are built.

    Attributes:
        name: the folder's name.
        versioned_by: the module path whose version is the tool's.
        expected_seconds: how long it builds on two cores with nothing cached, beside another module.
        version_variables: Go variables that are set to the version at link time.
        link: further `-X` settings.
        tags: build tags.
        data: folders of the module that `versioned_by` names, to be put beside its tools under the same path.
    """

    name: str
    versioned_by: str
    expected_seconds: float
    version_variables: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    data: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where go.mod and go.sum lie."""
        return GO_MODULES / self.name

    @property
    def version(self) -> str:
        """The pinned version, as `v1.2.3`; go.mod is the only place that holds it."""
        if not self.versioned_by:
            return "v1"
        text = (self.folder / "go.mod").read_text(encoding="utf-8")
        match = re.search(rf"^\s*(?:require )?{re.escape(self.versioned_by)} (v\S+)", text, re.MULTILINE)
        if match is None:
            raise LookupError(f"{self.folder}/go.mod requires no {self.versioned_by}")
        return match.group(1)


_KUBERNETES_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")

MODULES = {
    module.name: module
    for module in (
        GoModule(
            "kubernetes",
            "k8s.io/kubernetes",
            700,
            tuple(f"{package}.gitVersion" for package in _KUBERNETES_VERSION_PACKAGES),
            tuple(
                f"{package}.{pair}"
                for package in _KUBERNETES_VERSION_PACKAGES
                for pair in ("gitMajor=1", "gitMinor=34")
            ),
        ),
        GoModule(
            "pulumi",
            "github.com/pulumi/pulumi/pkg/v3",
            360,
            ("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",),
        ),
        GoModule("coredns", "github.com/coredns/coredns", 190),
        GoModule("versitygw", "github.com/versity/versitygw", 115, ("main.Version",)),
        GoModule("metrics-server", "sigs.k8s.io/metrics-server", 200),
        GoModule("local-path-provisioner", "github.com/rancher/local-path-provisioner", 100, ("main.VERSION",)),
        GoModule(
            "registry",
            "github.com/distribution/distribution/v3",
            60,
            ("github.com/distribution/distribution/v3/version.version",),
        ),
        GoModule("prometheus", "github.com/prometheus/prometheus", 370, tags=("remove_all_sd", "enable_kubernetes_sd")),
        # Later modules lack its pages, and do not build without them.
        GoModule("alertmanager", "github.com/prometheus/alertmanager", 120),
        GoModule("pause", "", 5),
        GoModule("actionlint", "github.com/rhysd/actionlint", 10),
        # Karpenter with its provider of simulated nodes; the definitions of its kinds come with the module.
        GoModule("karpenter", "sigs.k8s.io/karpenter", 100, data=("pkg/apis/crds", "kwok/apis/crds")),
        GoModule("kwok", "sigs.k8s.io/kwok", 100, data=("kustomize/stage",)),
    )
}

# One minor version of skew is what Kubernetes supports between kubectl and the API server.
_KUBECTL = SpecifierSet(">=1.33,<1.36")
_KUBECTL_VERSION = ("version", "--client")

TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "pulumi", "pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", SpecifierSet(">=3.200,<4"), ("version",)
        ),
        Tool("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl", _KUBECTL, _KUBECTL_VERSION),
        Tool("etcd", "kubernetes", "go.etcd.io/etcd/server/v3"),
        Tool("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
        Tool("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        Tool("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"),
        Tool("kubelet", "kubernetes", "k8s.io/kubernetes/cmd/kubelet"),
        Tool("kube-proxy", "kubernetes", "k8s.io/kubernetes/cmd/kube-proxy"),
        Tool("coredns", "coredns", "github.com/coredns/coredns"),
        Tool("metrics-server", "metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"),
        Tool("local-path-provisioner", "local-path-provisioner", "github.com/rancher/local-path-provisioner"),
        Tool("registry", "registry", "github.com/distribution/distribution/v3/cmd/registry"),
        Tool("versitygw", "versitygw", "github.com/versity/versitygw/cmd/versitygw"),
        Tool("pause", "pause", "toolchain/pause"),
        Tool("containerd", "containerd", "usr/bin/containerd", SpecifierSet(">=1.6,<2")),
        Tool(
            "containerd-shim-runc-v2",
            "containerd",
            "usr/bin/containerd-shim-runc-v2",
            SpecifierSet(">=1.6,<2"),
            ("-v",),
        ),
        Tool("ctr", "containerd", "usr/bin/ctr", SpecifierSet(">=1.6,<2")),
        Tool("runc", "runc", "usr/sbin/runc", SpecifierSet(">=1.1,<2")),
        Tool("haproxy", "haproxy", "usr/sbin/haproxy", SpecifierSet(">=2.4"), ("-v",)),
        Tool("buildah", "buildah", "usr/bin/buildah", SpecifierSet(">=1.28,<2")),
        Tool("xtables-nft-multi", "iptables", "usr/sbin/xtables-nft-multi"),
        Tool("ip", "iproute2", "bin/ip", SpecifierSet(">=5"), ("-Version",)),
        # The CNI plugins; containerd is given the folder that they share.
        Tool("bridge", "containernetworking-plugins", "usr/lib/cni/bridge"),
        Tool("debootstrap", "debootstrap", "usr/sbin/debootstrap", SpecifierSet(">=1")),
        # Loads the servers of benchmarks/serving.
        Tool("wrk", "wrk", "usr/bin/wrk", SpecifierSet(">=4.1,<5"), ("-v",)),
        # Opens the pages that the project makes; without the parts that draw on a screen.
        Tool(
            "chromium-headless-shell",
            "chromium-headless-shell",
            "usr/lib/chromium/chromium-headless-shell",
            SpecifierSet(">=120"),
            for_up=False,
        ),
        # Debian's Prometheus is built without the discovery of Kubernetes pods.
        Tool("prometheus", "prometheus", "github.com/prometheus/prometheus/cmd/prometheus"),
        Tool("alertmanager", "alertmanager", "github.com/prometheus/alertmanager/cmd/alertmanager"),
        Tool("amtool", "alertmanager", "github.com/prometheus/alertmanager/cmd/amtool"),
        Tool("promtool", "prometheus", "github.com/prometheus/prometheus/cmd/promtool"),
        Tool("actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint", for_up=False),
        Tool("karpenter", "karpenter", "sigs.k8s.io/karpenter/kwok", for_up=False),
        Tool("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", for_up=False),
    )
}
