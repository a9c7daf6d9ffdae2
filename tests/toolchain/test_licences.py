"""What is shipped in images may be shipped."""

import re
from importlib.metadata import metadata

import pytest

from toolchain.paths import REPOSITORY

PERMISSIVE = re.compile(r"\b(0BSD|Apache|BSD|CC0|ISC|MIT|PSF|Python Software Foundation|Zlib)\b")
COPYLEFT = re.compile(r"\b(A?GPL|LGPL|MPL|EUPL|SSPL|CDDL|EPL)\b|General Public|Mozilla")

BY_HAND = {"promql-parser": "MIT, by its README; the wheel's metadata says nothing"}
"""Packages that say nothing themselves, and who looked where."""

UNCHANGED = {"certifi"}
"""Under the MPL 2.0, whose terms hold for their own files: they are shipped as they come."""

LOCKS = [*sorted(REPOSITORY.glob("services/*/requirements.lock")), REPOSITORY / "requirements.txt"]
PACKAGES = sorted({name for lock in LOCKS for name in re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE)})


def said(name: str) -> str:
    """All that a package says of its licence, but for the licence's own text.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    package = metadata(name).json
    classifiers = [value for value in package.get("classifier", ()) if value.startswith("License")]
    own = str(package.get("license", "")).splitlines()[:1]
    return " ".join([str(package.get("license_expression", "")), *classifiers, *own])


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_has_a_licence_that_lets_a_fork_ship_it(name: str) -> None:
    """A new one is looked at here before it is in anybody's image."""
    text = said(name)
    if name in BY_HAND:
        assert not text.strip(), f"{name} says {text!r} by now: take it out of BY_HAND"
        return
    if name in UNCHANGED:
        assert "MPL-2.0" in text
        return
    assert PERMISSIVE.search(text), f"{name}: {text!r}"
    assert not COPYLEFT.search(text), f"{name}: {text!r}"


def test_the_project_says_its_own() -> None:
    """Apache License 2.0, in full."""
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text(encoding="utf-8")
