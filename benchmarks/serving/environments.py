"""An environment of its own for each contestant: their requirements clash."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from toolchain.paths import REPOSITORY
from toolchain.process import run
from toolchain.progress import step

BUILD: Final = REPOSITORY / "build" / "bench"
_EXPECTED_SECONDS: Final = 20
# The service's own lock is what its image installs.
_OWN_LOCKS: Final = {"scoring": REPOSITORY / "services" / "scoring" / "requirements.lock"}


def lock_of(environment: str) -> Path:
    """The file that pins everything in an environment."""
    return _OWN_LOCKS.get(environment, REPOSITORY / "benchmarks" / "serving" / "requirements" / f"{environment}.txt")


def python_of(environment: str) -> Path:
    """The interpreter of an environment."""
    return BUILD / environment / "bin" / "python"


def make(environment: str) -> None:
    """Makes an environment hold exactly what its lock says, unless it does already.

    Raises:
        ToolchainError: a package cannot be had.
    """
    lock = lock_of(environment)
    receipt = BUILD / environment / "lock.txt"
    if receipt.exists() and receipt.read_text(encoding="utf-8") == lock.read_text(encoding="utf-8"):
        return
    uv, log = Path(sys.executable).with_name("uv"), BUILD / "logs" / f"{environment}.install.log"
    title = f"making the environment {environment}"
    with step(title, _EXPECTED_SECONDS):
        folder = BUILD / environment
        run(title, [uv, "venv", "--clear", "--python", sys.executable, folder], log)
        run(title, [uv, "pip", "sync", "--compile-bytecode", "--python", python_of(environment), lock], log)
        receipt.write_text(lock.read_text(encoding="utf-8"), encoding="utf-8")


def installed_version(environment: str, package: str) -> str:
    """The version that a lock pins."""
    lines = lock_of(environment).read_text(encoding="utf-8").splitlines()
    return next(line.split()[0].partition("==")[2] for line in lines if line.startswith(f"{package}=="))


def commit() -> str:
    """The commit that is measured, with a + when the tree differs from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout

    changed = git("status", "--porcelain", "--", "services")
    return (git("rev-parse", "--short=10", "HEAD").strip() or os.environ.get("COMMIT", "unknown")) + "+" * bool(changed)
