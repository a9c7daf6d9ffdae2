"""Finding the tools on this machine and getting those that it lacks."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout
from packaging.version import InvalidVersion, Version

from toolchain import debian, go_build
from toolchain.errors import ToolchainError
from toolchain.paths import cache_dir
from toolchain.progress import console
from toolchain.tools import MODULES, TOOLS, GoModule, Tool
from toolchain.versions import first_version

# Two keep both cores busy while one of them waits for the network or links; each more takes up to 2 GiB.
_MODULES_AT_ONCE = 2


class Origin(Enum):
    """Where a tool is, or how it will be had."""

    PATH = "on PATH"
    CACHE = "in the cache"
    GO = "will be built from its Go module"
    DEBIAN = "will be unpacked from its Debian package"


@dataclass(frozen=True)
class Finding:
    """What is known of one tool on this machine.

    Attributes:
        tool: the tool.
        origin: where it is or how it will be had.
        path: where it is; none while it is missing.
        version: the version found, or the one that will be had.
        remark: why what PATH has is not used; empty when it is, or when PATH has none.
    """

    tool: Tool
    origin: Origin
    path: Path | None
    version: str
    remark: str = ""


def find(tool: Tool) -> Finding:
    """Look for a tool: on PATH in an accepted version, else in the cache, else say how it will be had."""
    remark = ""
    if tool.accepts is not None and (on_path := _on_path(tool.name)):
        version = _version_of(on_path, tool)
        if version is not None and tool.accepts.contains(version, prereleases=True):
            return Finding(tool, Origin.PATH, on_path, str(version))
        remark = f"{on_path} is {version or 'of an unknown version'}, wanted {tool.accepts}"
    if tool.source in MODULES:
        built = go_build.location(MODULES[tool.source], tool)
        wanted = MODULES[tool.source].version
        return Finding(
            tool, Origin.CACHE if built.exists() else Origin.GO, built if built.exists() else None, wanted, remark
        )
    unpacked = debian.location(tool)
    version_file = debian.installed_version(tool)
    found = unpacked.exists()
    return Finding(tool, Origin.CACHE if found else Origin.DEBIAN, unpacked if found else None, version_file, remark)


def install(names: Iterable[str] = tuple(TOOLS)) -> dict[str, Path]:
    """Get whichever of these tools are missing, and return where each is.

    Safe to interrupt (nothing is seen before it is whole) and to run twice at once (the second waits for the first).

    Raises:
        ToolchainError: one could not be had.
    """
    names = tuple(names)
    if all(finding.path for finding in map(find, map(TOOLS.__getitem__, names))):
        return _publish(names)
    with _one_at_a_time():
        missing = [finding.tool for finding in map(find, map(TOOLS.__getitem__, names)) if finding.path is None]
        debian.unpack([tool for tool in missing if tool.source not in MODULES])
        wanted = {module: [tool for tool in missing if tool.source == module.name] for module in MODULES.values()}
        _build(wanted)
        if any(wanted.values()):
            go_build.drop_build_cache()
    return _publish(names)


def _build(wanted: Mapping[GoModule, Sequence[Tool]]) -> None:
    """Build from several modules side by side: one downloads or links while another compiles.

    The longest go first, so that none is left alone at the end.
    """
    longest_first = sorted(wanted, key=lambda module: -module.expected_seconds)
    with ThreadPoolExecutor(_MODULES_AT_ONCE) as pool:
        builds = [pool.submit(go_build.build, module, wanted[module]) for module in longest_first]
        try:
            for done in as_completed(builds):
                done.result()
        finally:
            # After a failure the rest need not be begun: a person waits for the reason.
            pool.shutdown(cancel_futures=True)


def _publish(names: Iterable[str]) -> dict[str, Path]:
    """Link every tool into one folder that can go on PATH, after checking that what we built is what we built."""
    folder = bin_dir()
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Path] = {}
    for name in names:
        finding = find(TOOLS[name])
        if finding.path is None:
            raise ToolchainError(
                f"getting {name}", f"{name} is still missing after it was built", "run `make clean-cache`, then again"
            )
        if finding.origin is Origin.CACHE:
            verify(finding.path)
        link = folder / name
        if not link.is_symlink() or link.readlink() != finding.path:
            fresh = link.with_name(f".{name}.{os.getpid()}")
            fresh.symlink_to(finding.path)
            fresh.replace(link)
        found[name] = finding.path
    return found


def bin_dir() -> Path:
    """The folder with a link to each tool that was installed."""
    return cache_dir() / "bin"


@cache
def verify(path: Path) -> None:
    """Compare a tool's file to the SHA-256 that was taken when it was made; once in a process.

    Raises:
        ToolchainError: it differs; the file is moved aside so that the next run makes it again.
    """
    receipt = json.loads((path.parent / "receipt.json").read_text(encoding="utf-8"))
    actual = sha256(path)
    expected = receipt["sha256"][path.name]
    if actual != expected:
        path.rename(path.with_name(f"{path.name}.damaged"))
        raise ToolchainError(
            f"checking {path.name}",
            f"{path} has SHA-256 {actual}, was made with {expected}",
            "run it again: the tool is made anew",
        )


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold a lock among all runs that share the cache; says so when it has to wait."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    lock = FileLock(cache_dir() / "install.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print("another run is installing tools; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _on_path(name: str) -> Path | None:
    """Look a name up on PATH and in the system folders that an ordinary user's PATH lacks; never in our own folder."""
    folders = [folder for folder in os.get_exec_path() if Path(folder) != bin_dir()]
    found = shutil.which(name, path=os.pathsep.join([*folders, "/usr/sbin", "/sbin"]))
    return Path(found) if found else None


def _version_of(path: Path, tool: Tool) -> Version | None:
    """Ask a program for its version; none when it gives no answer that reads as one."""
    try:
        answer = subprocess.run(
            [path, *tool.version_command],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    try:
        return first_version(answer.stdout + answer.stderr)
    except InvalidVersion:
        return None
