"""The site is built whole, and a link that leads nowhere fails it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import copy_checkout
from toolchain.paths import REPOSITORY
from toolchain.site import ROOT, resolved

PAGES = {"index.md", "adr/0001-a.md", "how-to/own_model.md", "monitoring/runbooks/ScoringDown.md"}
HOST = "https://github.com/acme/pricing"


@pytest.mark.parametrize(
    ("link", "at", "page", "leads_to"),
    [
        ("adr/0001-a.md", "docs/index.md", "index.md", "adr/0001-a.md"),
        ("../adr/0001-a.md", "docs/how-to/own_model.md", "how-to/own_model.md", "../adr/0001-a.md"),
        ("../../monitoring/runbooks/ScoringDown.md", "docs/how-to/own_model.md", "how-to/own_model.md",
         "../monitoring/runbooks/ScoringDown.md"),
        ("ScoringDown.md", "monitoring/runbooks/GpuIdle.md", "monitoring/runbooks/GpuIdle.md", "ScoringDown.md"),
        ("../infra/platform.py", "docs/index.md", "index.md", f"{HOST}/blob/main/infra/platform.py"),
        ("../infra", "docs/index.md", "index.md", f"{HOST}/tree/main/infra"),
        ("../infra/nowhere.py", "docs/index.md", "index.md", "../infra/nowhere.py"),
        ("nowhere.md", "docs/index.md", "index.md", "nowhere.md"),
    ],
)  # fmt: skip
def test_a_link_is_written_for_the_repository_and_leads_on_the_site(
    link: str, at: str, page: str, leads_to: str
) -> None:
    """To a page where there is one, else to the code; what is not there stays, and the strict build fails for it."""
    assert resolved(link, at, page, PAGES, HOST) == leads_to


def test_links_of_files_that_only_the_repository_shows_lead_somewhere() -> None:
    """The README and the templates are not built into the site."""
    for file in (ROOT / "README.md", *ROOT.glob(".github/*.md"), *ROOT.glob("services/**/README.md")):
        text = file.read_text(encoding="utf-8")
        for link in re.findall(r"(?:\]\(|src=\")(?!https?:|#)([^)\"#\s]+)", text):
            assert (file.parent / link).exists(), f"{file.relative_to(ROOT)}: {link}"


def test_every_page_is_in_the_navigation_or_said_to_be_left_out() -> None:
    """A page that nobody finds is none."""
    configured = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        path = page.relative_to(ROOT / "docs").as_posix()
        assert path in configured or re.match(r"adr/0\d+", path), path


@pytest.mark.engine
def test_the_site_is_built_and_a_broken_link_fails_it(tmp_path: Path) -> None:
    """Runbooks among its pages, and nothing that a reader's browser would fetch from elsewhere."""
    checkout = copy_checkout(tmp_path / "checkout")
    shutil.rmtree(checkout / "build", ignore_errors=True)
    done = _build(checkout)
    assert done.returncode == 0, done.stdout
    site = checkout / "build" / "site"
    assert (site / "monitoring" / "runbooks" / "ScoringDown" / "index.html").is_file()
    for page in site.rglob("*.html"):
        assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"https?://(?!github\.com)", page.read_text())

    with (checkout / "docs" / "index.md").open("a", encoding="utf-8") as file:
        file.write("\n[broken](how-to/nowhere.md)\n")
    broken = _build(checkout)
    assert broken.returncode != 0
    assert "how-to/nowhere.md" in broken.stdout


def _build(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "site"], cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def test_the_readmes_test_command_is_the_one_that_is_run_for_a_clean_clone() -> None:
    """What people are told to run is what is run."""
    assert re.search(r"^\s*make test\b", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert "\nmake test\n" in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
