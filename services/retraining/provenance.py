"""Which code made a model: a hash of the sources, so that it is known without a version control system in the image."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("lifecycle", "retraining")
_LIBRARIES: Final = ("lightgbm", "numpy", "pyarrow", "scipy")


def code_version(model_folder: Path) -> str:
    """The SHA-256 over the sources that training runs and the model's own folder."""
    services = Path(__file__).parents[1]
    files = [(file.relative_to(services), file) for package in _PACKAGES for file in (services / package).rglob("*.py")]
    files += [(file.relative_to(model_folder), file) for file in model_folder.rglob("*") if _is_source(file)]
    digest = hashlib.sha256()
    for name, file in sorted(files):
        data = file.read_bytes()
        digest.update(f"{name.as_posix()}\0{len(data)}\0".encode() + data)
    return f"sha256:{digest.hexdigest()}"


def _is_source(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def library_versions() -> dict[str, str]:
    """The versions of what the numbers depend on."""
    return {"python": platform.python_version()} | {library: version(library) for library in _LIBRARIES}
