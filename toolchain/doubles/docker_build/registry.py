"""What a registry says of an image."""

from toolchain.doubles.docker_build.image import is_local, manifest_url
from toolchain.doubles.errors import RefusedError

_MANIFEST_TYPES = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_REGISTRY_TIMEOUT_SECONDS = 10.0
_STATUS_NOT_FOUND = 404


def is_in_registry(reference: str) -> bool:
    """Whether a registry has the image of `registry/name:tag@digest`.

    One that wants credentials for a look says nothing of that; the image then counts as there.

    Raises:
        RefusedError: the registry does not answer.
        ValueError: the reference is none.
    """
    import httpx2  # noqa: PLC0415 - only a refresh needs it, and it takes as long to load as all the rest

    url = manifest_url(reference)
    try:
        answer = httpx2.head(
            url,
            headers={"Accept": _MANIFEST_TYPES},
            timeout=_REGISTRY_TIMEOUT_SECONDS,
            trust_env=not is_local(reference),
        )
    except httpx2.HTTPError as error:
        message = f"the registry does not answer at {url}: {error or type(error).__name__}; is it up?"
        raise RefusedError(message) from error
    return answer.status_code != _STATUS_NOT_FOUND
