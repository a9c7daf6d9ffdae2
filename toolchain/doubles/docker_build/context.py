"""What a build is made from, and a hash that tells when it changed."""

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

from toolchain.doubles.docker_build.ignore import Ignore, files, ignore_file


@dataclass(frozen=True, slots=True)
class BuildContext:
    """The files of a build.

    Attributes:
        folder: the root of what the Dockerfile may copy.
        dockerfile: the recipe.
    """

    folder: Path
    dockerfile: Path

    @property
    def ignore_file(self) -> Path | None:
        """The .dockerignore that holds."""
        return ignore_file(self.folder, self.dockerfile)

    def hash(self) -> str:
        """SHA-256 over all that is let in, in hex.

        Names, contents, links and whether a file may be executed count; times and owners, which a fresh checkout
        changes, do not.
        """
        rules = self.ignore_file
        digest = hashlib.sha256(self.dockerfile.read_bytes())
        for path in files(self.folder, Ignore(rules.read_text() if rules else "")):
            digest.update(f"\n{path}\0{_fingerprint(self.folder / path)}".encode())
        return digest.hexdigest()


def _fingerprint(path: Path) -> str:
    if path.is_symlink():
        return f"link {path.readlink()}"
    if not path.is_file():
        # Sockets and the like never get into an image.
        return "special"
    executable = "x" if path.stat().st_mode & stat.S_IXUSR else "-"
    with path.open("rb") as file:
        return f"{executable} {hashlib.file_digest(file, 'sha256').hexdigest()}"
