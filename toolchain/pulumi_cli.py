"""Running the Pulumi CLI, with stand-ins for the plugins that this machine lacks."""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from toolchain import images, plugins, project
from toolchain.errors import ToolchainError
from toolchain.install import bin_dir, install
from toolchain.paths import REPOSITORY


def run(
    arguments: Sequence[str | Path], environment: dict[str, str], *, capture: bool = False, text: str | None = None
) -> str:
    """Run Pulumi; its own output goes to the person unless it is wanted.

    Args:
        arguments: `--cwd`, a folder, and the command.
        environment: what `environment` returned.
        capture: return stdout instead of showing it.
        text: what it reads from stdin.

    Raises:
        ToolchainError: it failed.
    """
    live = not capture and sys.stderr.isatty()  # then Pulumi draws a tree that moves; a log gets lines
    command = ["pulumi", *(() if live else ("--non-interactive",)), *map(str, arguments)]
    done = subprocess.run(
        command,
        env=environment,
        check=False,
        text=True,
        input=text,
        stdout=subprocess.PIPE if capture else sys.stderr,
        stderr=subprocess.PIPE if capture else None,
    )
    if done.returncode != 0:
        said = f": {(done.stderr or done.stdout).strip()[-2000:]}" if capture else ", see what it printed above"
        raise ToolchainError(
            f"pulumi {' '.join(map(str, arguments[2:4]))}",
            f"it ended with {done.returncode}{said}",
            "mend the cause and run it again: Pulumi goes on from there",
        )
    return done.stdout or ""


def environment(folder: Path) -> dict[str, str]:
    """The variables of a run whose state, passphrase and settings are in this folder."""
    pulumi = install(["pulumi"])["pulumi"]
    backend = folder / "backend"
    backend.mkdir(parents=True, exist_ok=True)
    release_locks(backend)
    # `stack init` and `config set` write beside a Pulumi.yaml, and the repository's own file is not theirs to change.
    (folder / "Pulumi.yaml").write_text(f"name: {project.NAME}\nruntime: python\n", encoding="utf-8")
    passphrase = folder / "passphrase"
    if not passphrase.exists():
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(32), encoding="utf-8")
    stand_ins, names = plugins.stand_ins(Path(sys.executable))
    builder = {"TOOLCHAIN_BUILDAH": str(images.builder())} if "pulumi-resource-docker-build" in names else {}
    return {
        **os.environ,
        **builder,
        "PATH": os.pathsep.join(
            [str(stand_ins), str(Path(sys.executable).parent), str(pulumi.parent), str(bin_dir()), os.environ["PATH"]]
        ),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # With all stand-ins there is nothing to fetch, and the attempt would only end in a time-out.
        **({"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"} if names else {}),
    }


def release_locks(backend: Path) -> None:
    """Remove the locks of runs that were killed on this machine; Pulumi itself leaves them for a person to judge."""
    for path in backend.glob(".pulumi/locks/**/*.json"):
        try:
            lock = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # gone by now, or half-written: Pulumi's to judge
        if lock.get("hostname") == socket.gethostname() and not Path("/proc", str(lock.get("pid"))).exists():
            path.unlink(missing_ok=True)


def init(folder: Path, stack: str, variables: dict[str, str]) -> None:
    """Make the stack in the folder's backend unless it is there."""
    if not (folder / "backend" / ".pulumi" / "stacks" / project.NAME / f"{stack}.json").exists():
        run(["--cwd", folder, "stack", "init", stack], variables, capture=True)


def read_config(stack: str) -> dict[str, Any]:
    """The content of the repository's `Pulumi.<stack>.yaml`.

    Raises:
        ToolchainError: there is no such file.
    """
    source = REPOSITORY / f"Pulumi.{stack}.yaml"
    if not source.exists():
        known = ", ".join(sorted(path.name.split(".")[1] for path in REPOSITORY.glob("Pulumi.*.yaml")))
        raise ToolchainError("reading an environment", f"there is no {source.name}", f"choose one of: {known}")
    document: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    return document


def config_file(folder: Path, stack: str) -> Path:
    """Where a stack's configuration lies: a copy, because Pulumi writes the salt of the state's passphrase into it."""
    return folder / f"Pulumi.{stack}.yaml"


def kept_config(folder: Path, stack: str) -> dict[str, Any]:
    """What the copy holds so far; nothing before the first time."""
    path = config_file(folder, stack)
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def write_config(folder: Path, stack: str, document: dict[str, Any]) -> Path:
    """Write the copy anew; the salt that it has stays."""
    kept = kept_config(folder, stack)
    if "encryptionsalt" in kept:
        document = {**document, "encryptionsalt": kept["encryptionsalt"]}
    path = config_file(folder, stack)
    if document != kept:
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path
