"""The bill of materials of each service's image, in CycloneDX: what is in it, from where, in which version."""

import hashlib
import re
import subprocess
import tarfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from toolchain.errors import ToolchainError
from toolchain.images import cached_base_file_system
from toolchain.paths import REPOSITORY

FOLDER: Final = REPOSITORY / "build" / "sbom"
PROJECT: Final = "realtime-ml"
DEBIAN_SOURCE: Final = f"{PROJECT}:debian-packages"
"""The property that says where the Debian packages were read."""

UNREAD: Final = "named by the Dockerfile; of the base image only its name is known"

_DPKG: Final = "var/lib/dpkg/status"
_DISTRIBUTION: Final = "bookworm"
_SECONDS: Final = 300
_PINNED: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,-]+\])?==([^\s;\\]+)", re.MULTILINE)
_BASE: Final = re.compile(r"^ARG BASE_IMAGE=(\S+)", re.MULTILINE)
_INSTALLED: Final = re.compile(r"apt-get install ([^&\n]+)")


@dataclass(frozen=True)
class Debian:
    """The Debian packages of an image.

    Attributes:
        components: the packages.
        source: where they were read.
    """

    components: tuple[Component, ...]
    source: str


def services() -> list[str]:
    """Every service that has an image."""
    return sorted(file.parent.name for file in REPOSITORY.glob("services/*/Dockerfile"))


def write(images: Mapping[str, str] | None = None, folder: Path = FOLDER) -> list[Path]:
    """Write the bill of each service's image.

    The Python packages are those of its lock file, which the image's build installs and nothing else. The Debian
    packages are those of the image itself, if its reference is given, or of the embedded node's base image, if that
    was built here; else those that the Dockerfile names, and the bill says so.

    Args:
        images: the reference of each service's image, for Docker to read.
        folder: where they go, as `<service>.json`.

    Raises:
        ToolchainError: an image cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for service in services():
        recipe = (REPOSITORY / "services" / service / "Dockerfile").read_text(encoding="utf-8")
        lock = (REPOSITORY / "services" / service / "requirements.lock").read_text(encoding="utf-8")
        reference = (images or {}).get(service, "")
        text = bill(service, lock, recipe, _debian(reference, recipe), reference)
        file = folder / f"{service}.json"
        file.write_text(text, encoding="utf-8")
        written.append(file)
    return written


def bill(service: str, lock: str, recipe: str, debian: Debian, reference: str = "") -> str:
    """The bill of an image as JSON, held against CycloneDX's schema. Pure but for the time that it bears.

    Raises:
        ValueError: it is not what the schema wants.
    """
    image = Component(
        name=f"{PROJECT}/{service}", type=ComponentType.CONTAINER, version=reference or None, bom_ref=service
    )
    base = Component(name=_base(recipe), type=ComponentType.CONTAINER, bom_ref="base")
    parts = [base, *python_packages(lock), *debian.components]
    content = "\n".join([service, reference, *sorted(str(part.purl or part.name) for part in parts)])
    bom = Bom(
        components=parts,
        # The same content is the same document.
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(content.encode()).hexdigest()),
        metadata=BomMetaData(component=image, properties=[Property(name=DEBIAN_SOURCE, value=debian.source)]),
    )
    bom.register_dependency(image, parts)
    text: str = JsonV1Dot6(bom).output_as_string(indent=2)
    if (wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        message = f"the bill of {service} is no CycloneDX: {wrong}"
        raise ValueError(message)
    return text


def python_packages(lock: str) -> list[Component]:
    """Every package that a lock file pins (pure)."""
    return [
        Component(
            name=name,
            version=version,
            purl=PackageURL(type="pypi", name=name.lower(), version=version),
            bom_ref=f"pypi:{name}",
        )
        for name, version in _PINNED.findall(lock)
    ]


def debian_packages(status: str) -> list[Component]:
    """Every package that dpkg's own list of what is installed names (pure)."""
    found = []
    for entry in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Z][\w-]*): (.+)$", entry, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            found.append(_debian_package(fields["Package"], fields["Version"], fields["Architecture"]))
    return found


def _debian(reference: str, recipe: str) -> Debian:
    if reference:
        return Debian(tuple(debian_packages(_status_of_image(reference))), reference)
    if archive := cached_base_file_system():
        with tarfile.open(archive) as files:
            member = files.extractfile(f"./{_DPKG}")
            status = member.read().decode() if member else ""
        return Debian(tuple(debian_packages(status)), f"the embedded node's base image, {archive.stem}")
    return Debian(tuple(_named(recipe)), UNREAD)


def _named(recipe: str) -> Iterator[Component]:
    for options in _INSTALLED.findall(recipe):
        for word in options.split():
            if not word.startswith("-"):
                yield _debian_package(word, None, None)


def _debian_package(name: str, version: str | None, architecture: str | None) -> Component:
    qualifiers = {"distro": _DISTRIBUTION} | ({"arch": architecture} if architecture else {})
    return Component(
        name=name,
        version=version,
        purl=PackageURL(type="deb", namespace="debian", name=name, version=version, qualifiers=qualifiers),
        bom_ref=f"deb:{name}:{architecture or ''}",
    )


def _base(recipe: str) -> str:
    found = _BASE.search(recipe)
    return found[1] if found else "unknown"


def _status_of_image(reference: str) -> str:
    command: Sequence[str] = ("docker", "run", "--rm", "--network=none", "--entrypoint=cat", reference, f"/{_DPKG}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"reading {reference}", str(error), "install Docker, or start it") from error
    if done.returncode != 0:
        way_out = "log Docker in to its registry, and see that the image is there"
        raise ToolchainError(f"reading {reference}", done.stderr.strip()[-500:], way_out)
    return done.stdout
