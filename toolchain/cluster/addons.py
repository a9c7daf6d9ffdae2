"""What runs on every node beside its programs: name service, resource metrics, volumes; and where its registry is."""

import subprocess
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from string import Template

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from toolchain import pki
from toolchain.cluster.programs import layout
from toolchain.cluster.settings import ClusterSettings
from toolchain.control_plane import DNS_SERVICE_IP
from toolchain.errors import ToolchainError

_MANIFESTS = Path(__file__).parent / "addons"
_READY_SECONDS = 120


def apply(settings: ClusterSettings, kubectl: Path, references: Mapping[str, str], base_image: str) -> None:
    """Apply all manifests; what is there already and unchanged stays as it is.

    Args:
        settings: which cluster.
        kubectl: the program.
        references: the image of each add-on.
        base_image: an image with a shell, in which volumes are made and removed.
    """
    keys = layout(settings).pki
    served = ("metrics-server.kube-system.svc", "metrics-server.kube-system.svc.cluster.local")
    serving = pki.Pair(keys / "metrics-server.crt", keys / "metrics-server.key")
    if not serving.key.exists():
        pki.Authority(keys, "ca").issue("metrics-server", "metrics-server", names=served)

    def encoded(path: Path) -> str:
        return b64encode(path.read_bytes()).decode()

    values = {
        "DNS_SERVICE_IP": DNS_SERVICE_IP,
        "REGISTRY": settings.registry,
        "SHELL_IMAGE": base_image,
        "CA": encoded(keys / "ca.crt"),
        "METRICS_SERVER_CERTIFICATE": encoded(serving.certificate),
        "METRICS_SERVER_KEY": encoded(serving.key),
        **{f"{name.upper().replace('-', '_')}_IMAGE": reference for name, reference in references.items()},
    }
    text = "\n---\n".join(
        Template(path.read_text(encoding="utf-8")).substitute(values) for path in sorted(_MANIFESTS.glob("*.yaml"))
    )
    _kubectl(settings, kubectl, ["apply", "--server-side", "--force-conflicts", "-f", "-"], text)


def wait(settings: ClusterSettings, kubectl: Path) -> None:
    """Wait until the node is ready and every add-on is rolled out."""
    limit = f"--timeout={_READY_SECONDS}s"
    # The kubelet registers its node a moment after the API server is up.
    _kubectl(settings, kubectl, ["wait", "--for=create", limit, f"node/{settings.name}"])
    _kubectl(settings, kubectl, ["wait", "--for=condition=Ready", limit, f"node/{settings.name}"])
    for deployment in ("coredns", "local-path-provisioner", "metrics-server"):
        _kubectl(settings, kubectl, ["rollout", "status", "--namespace=kube-system", limit, f"deployment/{deployment}"])
    _kubectl(settings, kubectl, ["wait", "--for=condition=Available", limit, "apiservice/v1beta1.metrics.k8s.io"])


# Right after its start the API server still sets up its own roles and namespaces.
@retry(retry=retry_if_exception_type(ToolchainError), stop=stop_after_delay(20), wait=wait_fixed(1), reraise=True)
def _kubectl(settings: ClusterSettings, kubectl: Path, arguments: list[str], text: str = "") -> None:
    command = [str(kubectl), f"--kubeconfig={settings.kubeconfig}", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolchainError(
            f"add-ons of the embedded cluster ({' '.join(arguments[:4])})",
            done.stderr.strip()[-1500:],
            f"look at them with: kubectl --kubeconfig={settings.kubeconfig} get pods --namespace=kube-system",
        )
