"""Building tools from pinned Go modules; go.sum in each module's folder is the check of every download."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.paths import cache_dir
from toolchain.process import run
from toolchain.progress import step
from toolchain.tools import GoModule, Tool

_MINIMUM_GO = "1.21"  # the first that fetches the newer Go that a go.mod asks for


def location(module: GoModule, tool: Tool) -> Path:
    """Where the tool is once it is built; a change of pins, checksums, sources or settings gives another place."""
    return cache_dir() / "tools" / module.name / _key(module) / tool.name


def build(module: GoModule, tools: Sequence[Tool]) -> None:
    """Build these tools of one module, and let them be seen when all are whole.

    Raises:
        ToolchainError: Go is missing or too old, a download or a checksum failed, or a tool does not build.
    """
    if not tools:
        return
    title = f"building {', '.join(tool.name for tool in tools)} {module.version}"
    go = shutil.which("go")
    if go is None:
        raise ToolchainError(
            title, "there is no `go` on PATH", f"install Go {_MINIMUM_GO} or newer (https://go.dev/doc/install)"
        )
    target = location(module, tools[0]).parent
    target.mkdir(parents=True, exist_ok=True)
    log = cache_dir() / "logs" / f"{module.name}.log"
    with step(title, module.expected_seconds), tempfile.TemporaryDirectory(dir=target, prefix=".new-") as scratch:
        built = Path(scratch, "built")
        built.mkdir()
        command = [
            go,
            "build",
            "-trimpath",
            "-mod=readonly",
            "-buildvcs=false",
            f"-tags={','.join(module.tags)}",
            "-ldflags",
            _link_flags(module),
            "-o",
            f"{built}/",
            *(tool.path for tool in tools),
        ]
        run(title, command, log, env=_environment(), cwd=module.folder)
        for tool in tools:
            Path(built, _default_name(tool.path)).rename(Path(scratch, tool.name))
        _place_data(title, go, module, target, log)
        receipt = target / "receipt.json"
        digests = json.loads(receipt.read_text(encoding="utf-8"))["sha256"] if receipt.exists() else {}
        for tool in tools:
            digests[tool.name] = hashlib.sha256(Path(scratch, tool.name).read_bytes()).hexdigest()
        fresh = Path(scratch, "receipt.json")
        fresh.write_text(json.dumps({"version": module.version, "sha256": digests}, indent=1), encoding="utf-8")
        fresh.replace(receipt)
        for tool in tools:
            Path(scratch, tool.name).replace(target / tool.name)


def _place_data(title: str, go: str, module: GoModule, target: Path, log: Path) -> None:
    """Copy what comes with the module and is no program, before the tools are seen."""
    if not module.data:
        return
    listed = run(
        title, [go, "list", "-m", "-f", "{{.Dir}}", module.versioned_by], log, env=_environment(), cwd=module.folder
    )
    for part in module.data:
        shutil.copytree(Path(listed.strip(), part), target / part, dirs_exist_ok=True, copy_function=shutil.copyfile)


def drop_build_cache() -> None:
    """Remove Go's module and build cache, 6 GB that only an interrupted installation has a use for."""
    shutil.rmtree(_go_folder(), ignore_errors=True)


def _default_name(package: str) -> str:
    """What Go calls the program of a package: the last part of its path that is no major version."""
    parts = package.split("/")
    return parts[-2] if re.fullmatch(r"v[0-9]+", parts[-1]) else parts[-1]


def _key(module: GoModule) -> str:
    digest = hashlib.sha256(" ".join([_link_flags(module), *module.tags, *module.data]).encode())
    for file in sorted(path for pattern in ("go.mod", "go.sum", "*.go") for path in module.folder.glob(pattern)):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _link_flags(module: GoModule) -> str:
    settings = [f"{variable}={module.version}" for variable in module.version_variables]
    return " ".join(["-s", "-w", *(f"-X {setting}" for setting in [*settings, *module.link])])


def _go_folder() -> Path:
    return cache_dir() / "go"


def _environment() -> dict[str, str]:
    # Static binaries go into images from scratch as they are.
    return {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-modcacherw",
        "GOWORK": "off",
        "GOMODCACHE": str(_go_folder() / "mod"),
        "GOCACHE": str(_go_folder() / "build"),
    }
