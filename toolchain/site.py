"""What the site shows beside docs/: pages that lie where they are used, and links into the code.

mkdocs loads it as a hook (`hooks` in mkdocs.yml). Links are written as GitHub follows them: relative to their file.
"""

import posixpath
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[1]

ELSEWHERE: Final = ("monitoring/runbooks/*.md", "services/*/README.md", "CHANGELOG.md", "CONTRIBUTING.md")
"""Pages outside of docs/, which the site has under the same path."""

_LINK: Final = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)")
_DOCS: Final = "docs/"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that lie elsewhere."""
    for pattern in ELSEWHERE:
        for path in sorted(ROOT.glob(pattern)):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Makes links to pages relative on the site, and links to code ones to the repository."""
    source = page.file.src_uri
    at = source if page.file.generated_by else _DOCS + source
    return _LINK.sub(
        lambda match: resolved(match.group(1), at, source, files.src_uris, config.repo_url or ""), markdown
    )


def resolved(link: str, at: str, page: str, pages: object, repository: str) -> str:
    """Where a link leads on the site (pure, but for a look whether code is there).

    Args:
        link: as it is written, relative to its file.
        at: the file's path in the repository.
        page: the page's path on the site.
        pages: the paths of all pages.
        repository: its address.

    A link to what is not there stays as it is, and the strict build fails for it.
    """
    target = posixpath.normpath(posixpath.join(posixpath.dirname(at), link))
    on_site = target.removeprefix(_DOCS)
    if on_site in pages:  # type: ignore[operator] # any collection of paths
        return posixpath.relpath(on_site, posixpath.dirname(page) or ".")
    if (ROOT / target).exists() and not target.startswith((_DOCS, "..")):
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{repository}/{kind}/main/{target}"
    return link
