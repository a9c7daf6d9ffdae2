"""Gives a clone its own name: which files say it, and how they say another."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from toolchain.errors import ToolchainError

ENVIRONMENT_LIMIT: Final = 23
"""Characters in `<name>-<environment>`, of which an environment's buckets are called; infra/config/aws.py."""

_NAME: Final = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_ORGANISATION: Final = re.compile(r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}")
_RESERVED: Final = ("amzn-s3-demo-", "aws", "sthree-", "xn--")
"""How no name of a bucket may begin; AWS keeps `aws` for tags."""

_STEP: Final = "naming the fork"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the fork is."""

    name: str
    organisation: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file says the name.

    Attributes:
        files: a pattern of paths below the repository's root.
        says: what it says now; `{old}` is the name so far.
        shall_say: what takes its place.
    """

    files: str
    says: str
    shall_say: str


PLACES: Final = (
    Place("Pulumi.yaml", r"^name: {old}$", "name: {name}"),
    Place("Pulumi.*.yaml", r"^    name: {old}(?=-[a-z0-9-]+$)", "    name: {name}"),
    Place("Pulumi.*.yaml", r":role/{old}(?=-deploy\")", ":role/{name}"),
    Place("Pulumi.*.yaml", r"(?<=amazonaws\.com/){old}(?=-[a-z0-9-]+$)", "{name}"),
    Place("README.md", r"\A# .*$", "# {name}"),
    Place("mkdocs.yml", r"^site_name: .*$", "site_name: {name}"),
    Place("mkdocs.yml", r"^repo_url: https://github\.com/.*$", "repo_url: https://github.com/{organisation}/{name}"),
    Place(".github/CODEOWNERS", r"@[\w-]+/", "@{organisation}/"),
    Place(
        ".github/ISSUE_TEMPLATE/config.yml",
        r"https://github\.com/[\w.-]+/[\w.-]+",
        "https://github.com/{organisation}/{name}",
    ),
)
"""All of it: the code knows no fork's name, so that upstream's code merges into any fork. ADR 12 says what stays."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A file that changes."""

    file: Path
    lines: tuple[str, ...]
    """Each changed line as it will be."""
    text: str


def identity(root: Path, name: str, organisation: str) -> Identity:
    """The fork's name and organisation, if they can be had everywhere that they are needed.

    Raises:
        ToolchainError: one cannot; it says which, and what would do.
    """
    limit = ENVIRONMENT_LIMIT - max(len(f"-{file.name.split('.')[1]}") for file in root.glob("Pulumi.*.yaml"))
    if _NAME.fullmatch(name) is None or len(name) > limit or name.startswith(_RESERVED):
        raise ToolchainError(
            _STEP,
            f"NAME={name!r} cannot be part of the names of buckets, clusters and image repositories",
            f"give lower-case letters, digits and inner hyphens, a letter first, {limit} characters at most, "
            f"not beginning with {', '.join(_RESERVED)}",
        )
    if _ORGANISATION.fullmatch(organisation) is None:
        raise ToolchainError(
            _STEP, f"ORG={organisation!r} is no name of an organisation", "give the one in the URL of your repository"
        )
    return Identity(name, organisation)


def edits(root: Path, new: Identity) -> Iterator[Edit]:
    """What a fork of this name changes in a clone; nothing where it bears it already.

    Raises:
        ToolchainError: a file that should say the name is missing.
    """
    old = str(yaml.safe_load((root / "Pulumi.yaml").read_text(encoding="utf-8"))["name"])
    for pattern in dict.fromkeys(place.files for place in PLACES):
        files = sorted(root.glob(pattern))
        if not files:
            raise ToolchainError(_STEP, f"there is no {pattern} in {root}", "run it in a whole clone")
        for file in files:
            before = file.read_text(encoding="utf-8")
            after = before
            for place in PLACES:
                if place.files == pattern:
                    says = place.says.replace("{old}", re.escape(old))
                    shall_say = place.shall_say.format(name=new.name, organisation=new.organisation)
                    after = re.sub(says, shall_say, after, flags=re.MULTILINE)
            if after != before:
                known = set(before.splitlines())
                yield Edit(file, tuple(line for line in after.splitlines() if line not in known), after)
