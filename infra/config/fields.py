"""Fields that several sections have."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

_SECRET_KEY: Final = re.compile(r"[!-~]{16,128}")
_IMAGE: Final = re.compile(
    r"[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._-]*)+"  # host, port and path
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(@sha256:(?P<digest>[0-9a-f]{64}))?"
)


def _image_reference(text: str) -> str:
    match = _IMAGE.fullmatch(text)
    if match is None or (match["digest"] is None and match["tag"] in {None, "latest"}):
        message = "must be `host/path:tag` with a tag other than `latest`, or `host/path@sha256:<digest>`"
        raise ValueError(message)
    return text


def _secret_key(secret: SecretStr) -> SecretStr:
    if _SECRET_KEY.fullmatch(secret.get_secret_value()) is None:
        message = "must be 16 to 128 characters of printable ASCII, without spaces"
        raise ValueError(message)
    return secret


def _secret_url(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().startswith("https://"):
        message = "must begin with https://"
        raise ValueError(message)
    return secret


ImageReference = Annotated[
    str, AfterValidator(_image_reference), Field(description="where the image is had, by tag or digest")
]


SecretUrl = Annotated[SecretStr, AfterValidator(_secret_url)]


DiskSize = Annotated[int, Field(ge=1, le=16_384, description="GiB, 1 to 16384; another size replaces disk and data")]


NodePoolName = Annotated[
    str | None, Field(description="one of `aws.node_pools.extra` to run on; unset: the usual nodes")
]


OptionalSecretKey = Annotated[
    Annotated[SecretStr, AfterValidator(_secret_key)] | None,
    Field(description="what clients of the local object store sign their requests with"),
]
