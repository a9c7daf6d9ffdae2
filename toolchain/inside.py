"""What runs inside the local stack, asked from this machine: its objects by kubectl, its buckets by S3."""

import base64
import json
import subprocess

from obstore.store import S3Store

from toolchain.errors import ToolchainError
from toolchain.install import install
from toolchain.stack import Target


def ask(chosen: Target, *arguments: str, timeout_seconds: float = 120) -> str:
    """What kubectl says, of the namespace of the services unless another is named.

    Raises:
        ToolchainError: it was refused, or the cluster does not answer.
    """
    kubectl = [str(install(["kubectl"])["kubectl"]), f"--kubeconfig={chosen.kubeconfig}", "--namespace=ml"]
    done = subprocess.run([*kubectl, *arguments], capture_output=True, text=True, check=False, timeout=timeout_seconds)
    if done.returncode != 0:
        raise ToolchainError(
            f"asking the cluster: kubectl {arguments[0]}",
            (done.stderr.strip() or "it said nothing")[-500:],
            "see `kubectl --namespace=ml get pods`",
        )
    return done.stdout


def bucket(chosen: Target, url: str, name: str, model: str) -> S3Store:
    """A bucket of the local stack, opened with the key that the scoring pods of a model have.

    Args:
        chosen: the cluster.
        url: of the object store, on this machine.
        name: of the bucket.
        model: whose pods.

    Raises:
        ToolchainError: the cluster does not answer.
    """
    secrets = ask(chosen, "get", "secrets", f"--selector=app.kubernetes.io/instance={model}", "--output=json")
    found = (each["data"] for each in json.loads(secrets)["items"] if "object-store" in each["metadata"]["name"])
    keys = {name: base64.b64decode(value).decode() for name, value in next(found).items()}
    return S3Store(
        name,
        endpoint=url,
        region="us-east-1",
        access_key_id=keys["access_key_id"],
        secret_access_key=keys["secret_access_key"],
        client_options={"allow_http": True},
    )
