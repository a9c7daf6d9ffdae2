"""The local platform."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from infra.config.fields import DiskSize, ImageReference
from infra.naming import PROJECT
from infra.section import Section

_REGISTRY: Final = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._/-]*)?")


def _registry(text: str) -> str:
    if _REGISTRY.fullmatch(text) is None:
        message = "must be `host`, `host:port` or `host:port/path`, in lower case and without a scheme"
        raise ValueError(message)
    return text


Registry = Annotated[str, AfterValidator(_registry), Field(description="where built images are pushed to")]


class LocalConfig(Section):
    """The `local` platform: any Kubernetes context that this machine reaches."""

    kube_context: Annotated[str, Field(min_length=1, description="a context of the kubeconfig")] = PROJECT
    registry: Registry = "127.0.0.1:30500"
    exposure: Annotated[
        Literal["node_port", "cluster_ip"],
        Field(description="how Services are reached: fixed ports of every node, or from inside the cluster alone"),
    ] = "node_port"
    base_image: Annotated[
        ImageReference | None,
        Field(description="what the services' images start from; unset: as their Dockerfiles say"),
    ] = None
    object_store_disk_size_gib: DiskSize = 2
