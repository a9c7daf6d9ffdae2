"""What runs is what was tested: images do not change under their name."""

import re
from collections.abc import Iterator
from typing import Final

from infra.policy.model import UNKNOWN, Context, Finding, Resource, Rule
from infra.policy.properties import at, is_not
from infra.policy.rules.pods import POD_TYPES, containers

_PINNED: Final = re.compile(
    r"[^@\s]+(:(?!latest$)[\w][\w.-]{0,127}|(:[\w][\w.-]{0,127})?@sha256:[0-9a-f]{64})", re.ASCII
)
"""A tag other than latest after the last slash, or a digest. A port's colon has a slash after it, a tag's has none."""


def is_pinned(image: str) -> bool:
    """Whether an image is named by its digest, or by a tag other than `latest`."""
    return _PINNED.fullmatch(image) is not None


def pinned_images(resource: Resource, _: Context) -> Iterator[Finding]:
    """Every container names its image by digest, or by a tag other than `latest`."""
    for path, container in containers(resource):
        image = at(container, "image")
        if image is UNKNOWN:
            continue
        if not isinstance(image, str) or not is_pinned(image):
            yield Finding(
                path=f"{path}.image",
                message=f"{image!r} may be another image tomorrow" if image else "no image",
                way_out="name its digest, or a tag other than `latest`",
            )


def immutable_tags(resource: Resource, _: Context) -> Iterator[Finding]:
    """A repository's tags cannot be moved."""
    value = at(resource.properties, "imageTagMutability")
    if is_not(value, "IMMUTABLE"):
        yield Finding(path="imageTagMutability", message=f"is {value!r}", way_out="set it to IMMUTABLE")


def scanned_images(resource: Resource, _: Context) -> Iterator[Finding]:
    """Images are scanned when they are pushed."""
    path = "imageScanningConfiguration.scanOnPush"
    if is_not(at(resource.properties, path), True):
        yield Finding(path=path, message="images are not scanned", way_out="set it to true")


RULES: Final = (
    Rule(
        name="images-are-pinned",
        description="Every container names its image by digest, or by a tag other than `latest`.",
        applies_to=POD_TYPES,
        check=pinned_images,
    ),
    Rule(
        name="image-tags-are-immutable",
        description="A repository's tags cannot be moved.",
        applies_to=frozenset({"aws:ecr/repository:Repository"}),
        check=immutable_tags,
    ),
    Rule(
        name="images-are-scanned",
        description="Images are scanned when they are pushed.",
        applies_to=frozenset({"aws:ecr/repository:Repository"}),
        check=scanned_images,
    ),
)
