"""Kubeconfig files: who speaks to which API server, trusting which authority."""

from base64 import b64encode
from pathlib import Path

import yaml

from toolchain.pki import Pair


def write(path: Path, *, context: str, server: str, authority: Path, user: Pair) -> Path:
    """Write a kubeconfig with one context, readable by its owner only.

    Args:
        path: the file.
        context: name of its context, cluster and user.
        server: the API server's URL.
        authority: certificate of the authority that signed the server's.
        user: the client's certificate and key.
    """

    def data(file: Path) -> str:
        return b64encode(file.read_bytes()).decode()

    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": context, "cluster": {"server": server, "certificate-authority-data": data(authority)}}],
        "users": [
            {
                "name": context,
                "user": {"client-certificate-data": data(user.certificate), "client-key-data": data(user.key)},
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path
