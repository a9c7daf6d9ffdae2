"""Says what an apply would do, without doing it."""

import secrets
from collections.abc import Mapping
from typing import Any

from toolchain.doubles.kubernetes.client import ApiError, Applied, Cluster, Endpoint
from toolchain.doubles.kubernetes.objects import dig

# A namespace that every cluster has.
_ELSEWHERE = "default"


def rehearse(
    cluster: Cluster, endpoint: Endpoint, body: Mapping[str, Any], manager: str, *, force: bool
) -> Applied | None:
    """What the server says that an apply would come to; None where it cannot say before the real one.

    The namespace may only be made by the same `up`. The object's fields are then checked in another, so that a
    misspelt one still shows in the preview.

    Raises:
        ApiError: the server would refuse the object.
    """
    namespace, name = dig(body, "metadata", "namespace"), dig(body, "metadata", "name")
    try:
        return cluster.apply(endpoint.path(namespace, name), body, manager, force=force, dry_run=True)
    except ApiError as error:
        if not (error.missing and endpoint.namespaced):
            raise
    check_fields(cluster, endpoint, body, _ELSEWHERE)
    return None


def check_fields(cluster: Cluster, endpoint: Endpoint, body: Mapping[str, Any], namespace: str | None) -> None:
    """Checks an object's fields under a name that nothing has, for its own is taken until the real apply.

    Raises:
        ApiError: the object does not fit its kind's schema.
    """
    unused = f"preview-{secrets.token_hex(8)}"
    metadata = {**body["metadata"], "name": unused}
    if endpoint.namespaced:
        metadata["namespace"] = namespace
    try:
        cluster.apply(endpoint.path(namespace, unused), {**body, "metadata": metadata}, "preview", dry_run=True)
    except ApiError as error:
        # A name that is not its own makes some kinds invalid (a CustomResourceDefinition is called after its group),
        # so only what is wrong under any name counts.
        if error.malformed:
            raise
