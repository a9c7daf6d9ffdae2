"""Running the Pulumi CLI on a plain file backend, with stand-ins for the plugins that this machine lacks."""

import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from toolchain import images, plugins
from toolchain.errors import ToolchainError
from toolchain.install import bin_dir, install


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
    command = [str(install(["pulumi"])["pulumi"]), *(() if live else ("--non-interactive",)), *map(str, arguments)]
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
    # `stack init` and `config set` write beside a Pulumi.yaml, and the repository's own file is not theirs to change.
    (folder / "Pulumi.yaml").write_text("name: realtime-ml\nruntime: python\n", encoding="utf-8")
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


def init(folder: Path, stack: str, variables: dict[str, str]) -> None:
    """Make the stack in the folder's backend unless it is there."""
    if not (folder / "backend" / ".pulumi" / "stacks" / "realtime-ml" / f"{stack}.json").exists():
        run(["--cwd", folder, "stack", "init", stack], variables, capture=True)
