"""The inputs of an image, read and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolchain.doubles.docker_build.context import BuildContext
from toolchain.doubles.errors import InvalidInputsError
from toolchain.doubles.properties import UNKNOWN, contains_unknown

CONTEXT_HASH = "contextHash"
"""Kept among the inputs, so that a changed file shows as what it is: a changed input."""

_REFUSED = ("addHosts", "exec", "exports", "secrets", "ssh")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_REFERENCE = re.compile(
    r"(?P<registry>[\w.-]+(?::\d+)?|\[[\da-f:]+\](?::\d+)?)/(?P<repository>[^:@]+)(?::(?P<tag>[\w.-]+))?"
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who pushes to a registry."""

    registry: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Image:
    """An image to build.

    Attributes:
        context: what it is made from.
        tags: its names, the first of which makes `ref`.
        push: whether they are pushed.
        build_on_preview: whether a preview builds.
        build_args, labels, target, platform, no_cache, pull: as the Dockerfile's build takes them.
        credentials: for registries that want them.
    """

    context: BuildContext
    tags: tuple[str, ...]
    push: bool
    build_on_preview: bool
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    target: str
    platform: str
    no_cache: bool
    pull: bool
    credentials: tuple[Credentials, ...]


def is_local(reference: str) -> bool:
    """Whether an image's registry runs on this machine, and so speaks plain HTTP."""
    return reference.startswith(tuple(f"{host}{end}" for host in _LOOPBACK for end in (":", "/")))


def manifest_url(reference: str) -> str:
    """Where a registry answers for `registry/name:tag@digest`.

    Raises:
        ValueError: it is none.
    """
    name, _, digest = reference.partition("@")
    match = _REFERENCE.fullmatch(name)
    if match is None or not digest:
        message = f"{reference!r} is no image reference with a registry and a digest"
        raise ValueError(message)
    scheme = "http" if is_local(reference) else "https"
    return f"{scheme}://{match['registry']}/v2/{match['repository']}/manifests/{digest}"


def with_hash(inputs: Mapping[str, Any], *, any_platforms: bool = False) -> dict[str, Any]:
    """The inputs with the hash of what they point at.

    Args:
        inputs: as the program gives them.
        any_platforms: whether they may name several platforms, which the stand-in does not build.

    Raises:
        InvalidInputsError: an input is missing, is wrong, or asks for what the stand-in does not do.
    """
    if contains_unknown([inputs.get("context"), inputs.get("dockerfile")]):
        return {**inputs, CONTEXT_HASH: UNKNOWN}
    failures = dict(_refusals(inputs))
    if any_platforms:
        failures.pop("platforms", None)
    if failures:
        raise InvalidInputsError(failures)
    return {**inputs, CONTEXT_HASH: _context(inputs).hash()}


def parse(inputs: Mapping[str, Any]) -> Image:
    """The image that checked and fully known inputs stand for."""
    return Image(
        context=_context(inputs),
        tags=tuple(inputs.get("tags") or ()),
        push=bool(inputs.get("push")),
        build_on_preview=inputs.get("buildOnPreview") is not False,
        build_args=inputs.get("buildArgs") or {},
        labels=inputs.get("labels") or {},
        target=inputs.get("target") or "",
        platform=(inputs.get("platforms") or [""])[0],
        no_cache=bool(inputs.get("noCache")),
        pull=bool(inputs.get("pull")),
        credentials=tuple(
            Credentials(entry["address"], entry["username"], entry["password"])
            for entry in inputs.get("registries") or ()
            if entry.get("username") and entry.get("password")
        ),
    )


def _context(inputs: Mapping[str, Any]) -> BuildContext:
    # Relative to the folder of the program, where the engine starts its plugins.
    folder = Path(inputs["context"]["location"])
    location = (inputs.get("dockerfile") or {}).get("location")
    return BuildContext(folder.resolve(), Path(location).resolve() if location else folder.resolve() / "Dockerfile")


def _refusals(inputs: Mapping[str, Any]) -> Mapping[str, str]:
    failures = {
        key: "is not offered by the stand-in: it needs the official plugin" for key in _REFUSED if inputs.get(key)
    }
    context, dockerfile = inputs.get("context") or {}, inputs.get("dockerfile") or {}
    if context.get("named"):
        failures["context.named"] = "is not offered by the stand-in: copy from the one context"
    if dockerfile.get("inline"):
        failures["dockerfile.inline"] = "is not offered by the stand-in: put it into a file and name its location"
    if len(inputs.get("platforms") or []) > 1:
        failures["platforms"] = f"are {inputs['platforms']}; the stand-in builds for one"
    if inputs.get("push") and not inputs.get("tags"):
        failures["tags"] = "are missing, but push is true: name where to push"
    location = context.get("location")
    if not location or not Path(location).is_dir():
        failures["context.location"] = f"is {location!r}, which is no folder seen from {Path.cwd()}"
    elif not _context(inputs).dockerfile.is_file():
        failures["dockerfile.location"] = f"{_context(inputs).dockerfile} is no file"
    return failures
