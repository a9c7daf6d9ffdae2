"""What pages name is there under that name: keys of the configuration, metrics, files."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolchain.paths import REPOSITORY

PAGES = [
    *sorted(REPOSITORY.glob("*.md")),
    *sorted(path for path in (REPOSITORY / "docs").rglob("*.md") if path.parent.name != "reference"),
    *sorted((REPOSITORY / "monitoring" / "runbooks").glob("*.md")),
]
REFERENCE = REPOSITORY / "docs" / "reference"

FORMER = {"local.images"}
"""Keys that the changelog says were renamed."""


def configured() -> set[str]:
    """Every section and key of the configuration, as pages write it: `aws.cluster.kubernetes_version`."""
    found, section = set(), ""
    for line in (REFERENCE / "configuration.md").read_text(encoding="utf-8").splitlines():
        if head := re.match(r"## `realtime-ml:([a-z0-9_.\[\]]*)`", line):
            section = head[1].replace("[]", "")
            found.add(section)
        elif row := re.match(r"\| `(\w+)` \|", line):
            found.add(f"{section}.{row[1]}".strip("."))
    return found


def named(page: Path, pattern: str) -> Iterator[str]:
    """What a page names in code, by the pattern's group."""
    for found in re.finditer(pattern, page.read_text(encoding="utf-8")):
        yield found[1]


def _name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_keys_of_the_configuration_are_there(page: Path) -> None:
    """A key that was renamed is refused by the program; a runbook that still names it costs minutes of an outage."""
    keys = configured()
    sections = {key.partition(".")[0] for key in keys}
    dotted = named(page, r"`(?:realtime-ml:)?([a-z_]+(?:\.[a-z0-9_]+)+)(?:[:=][^`]*)?`")
    # The decisions name modules, too: `scoring.hot`.
    modules = {".".join(path.with_suffix("").parts[-2:]) for path in (REPOSITORY / "services").rglob("*.py")}
    stale = {key for key in dotted if key.partition(".")[0] in sections} - keys - modules - FORMER
    assert not stale


def test_the_reference_is_read() -> None:
    """Tables that look otherwise would leave nothing to hold pages against."""
    keys = configured()
    assert {"aws", "aws.cluster.kubernetes_version", "scoring.min_replicas", "models.name"} <= keys
    assert sum(bool(set(named(page, r"`([a-z_]+\.[a-z0-9_.]+)`")) & keys) for page in PAGES) > 10


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_metrics_are_there(page: Path) -> None:
    """By the catalogue, or recorded by a rule."""
    known = "".join(
        file.read_text(encoding="utf-8")
        for file in (REPOSITORY / "monitoring" / "metrics.yaml", *(REPOSITORY / "monitoring" / "rules").glob("*.yaml"))
    )
    unit = r"(?:_total|_seconds|_bytes|_rows|_info)"
    pattern = rf"\b((?:scoring|drift|retraining)_[a-z0-9_]*{unit})(?:_bucket|_count|_sum)?\b"
    assert not {metric for metric in named(page, pattern) if not re.search(rf"\b{metric}\b", known)}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_files_are_there(page: Path) -> None:
    """Links are held by the site's build; this is what stands in code, from the repository's root."""
    folders = "|".join(("infra", "services", "monitoring", "models", "toolchain", "tests", "docs", r"\.github"))
    paths = named(page, rf"`((?:{folders})/[\w./-]*)(?:::\w+)?`")
    assert not {path for path in paths if not (REPOSITORY / path).exists()}
