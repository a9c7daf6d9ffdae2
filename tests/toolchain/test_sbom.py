"""The bill of materials of each image: everything that its build installs, by name, version and origin."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from toolchain import sbom
from toolchain.paths import REPOSITORY
from toolchain.sbom import DEBIAN_SOURCE, UNREAD, debian_packages, python_packages, services, write

STATUS = """Package: libgomp1
Status: install ok installed
Architecture: arm64
Version: 12.2.0-14+deb12u1
Description: GCC OpenMP
 Package: not-this-one

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no base image was built."""
    monkeypatch.setattr(sbom, "cached_base_file_system", lambda: None)


def documents(folder: Path) -> dict[str, Any]:
    """The bills, by service."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))}


@pytest.mark.usefixtures("unread")
def test_every_image_has_a_bill_that_the_schema_takes(tmp_path: Path) -> None:
    """A service that has a Dockerfile has a bill."""
    files = write(folder=tmp_path)
    assert [file.stem for file in files] == services() == ["drift", "retraining", "scoring"]
    for file in files:
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read_text(encoding="utf-8")) is None


@pytest.mark.usefixtures("unread")
def test_a_bill_names_every_package_of_the_lock_file_and_what_the_dockerfile_adds(tmp_path: Path) -> None:
    """With package URLs, which scanners look things up by; without the image, it says what it could not read."""
    write(folder=tmp_path)
    for service, document in documents(tmp_path).items():
        lock = (REPOSITORY / "services" / service / "requirements.lock").read_text(encoding="utf-8")
        pinned = re.findall(r"^(\S+)==(\S+)", lock, re.MULTILINE)
        urls = {component["purl"] for component in document["components"] if "purl" in component}
        assert len(pinned) > 20
        assert {f"pkg:pypi/{name.partition('[')[0]}@{version}" for name, version in pinned} <= urls
        assert urls - {url for url in urls if url.startswith("pkg:pypi/")} == {
            "pkg:deb/debian/libgomp1?distro=bookworm"
        }
        (base,) = [component for component in document["components"] if component["type"] == "container"]
        assert base["name"].startswith("docker.io/library/python:3.11")
        assert document["metadata"]["component"]["name"] == f"realtime-ml/{service}"
        assert document["metadata"]["properties"] == [{"name": DEBIAN_SOURCE, "value": UNREAD}]
        (edge,) = [entry for entry in document["dependencies"] if entry["ref"] == service]
        assert len(edge["dependsOn"]) == len(document["components"])


def test_an_image_that_is_given_tells_of_its_own_debian_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was installed, and not what was removed again."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f"#!/bin/sh\necho \"$@\" >> {tmp_path}/asked\ncat <<'END'\n{STATUS}END\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent), prepend=":")
    reference = "registry.example/scoring@sha256:0123"
    write(dict.fromkeys(services(), reference), tmp_path / "bills")
    scoring = documents(tmp_path / "bills")["scoring"]
    urls = [component["purl"] for component in scoring["components"] if component.get("purl", "").startswith("pkg:deb")]
    assert urls == ["pkg:deb/debian/libgomp1@12.2.0-14%2Bdeb12u1?arch=arm64&distro=bookworm"]
    assert scoring["metadata"]["component"]["version"] == reference
    assert scoring["metadata"]["properties"] == [{"name": DEBIAN_SOURCE, "value": reference}]
    assert reference in (tmp_path / "asked").read_text()


@pytest.mark.usefixtures("unread")
def test_the_same_content_is_the_same_document(tmp_path: Path) -> None:
    """Whoever compares two releases compares what is in them."""
    numbers = []
    for folder in ("first", "second"):
        write(folder=tmp_path / folder)
        numbers.append({name: document["serialNumber"] for name, document in documents(tmp_path / folder).items()})
    assert numbers[0] == numbers[1]
    assert len(set(numbers[0].values())) == len(services())


def test_lines_that_pin_nothing_are_no_packages() -> None:
    """Hashes, comments and options are left out; extras are no part of a name."""
    lock = "# a==1\nuvicorn[standard]==0.54.0 \\\n    --hash=sha256:00==\n-e .\n    # via b==2\nPyYAML==6.0.3 ; sys\n"
    found = [(package.name, package.version, str(package.purl)) for package in python_packages(lock)]
    assert found == [
        ("uvicorn", "0.54.0", "pkg:pypi/uvicorn@0.54.0"),
        ("PyYAML", "6.0.3", "pkg:pypi/pyyaml@6.0.3"),
    ]


def test_dpkgs_list_is_read_by_entry() -> None:
    """A line of a description is no field."""
    assert [package.name for package in debian_packages(STATUS)] == ["libgomp1"]
    assert debian_packages("") == []
