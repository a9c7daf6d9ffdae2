"""Signing the images of an environment, and attaching to each what is in it."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from toolchain import sbom
from toolchain.ci.release import outputs
from toolchain.errors import ToolchainError
from toolchain.progress import console

KEYLESS: Final = "keyless"
"""No key at all: the run's own identity, by OIDC, and a public log of who signed what."""

_SECONDS: Final = 300


def sign(name: str, key: str, folder: Path = sbom.FOLDER) -> None:
    """Sign every image that an environment runs, by its digest, and attest its bill of materials.

    Args:
        name: of the environment.
        key: where cosign finds the key, such as `awskms:///alias/images`; or `keyless`.
        folder: where the bills go.

    Raises:
        ToolchainError: cosign is not there, or does not sign.
    """
    images: dict[str, str] = outputs(name).get("images", {})
    if not images:
        raise ToolchainError(f"signing images of {name}", "its stack has no output `images`", "release it first")
    bills = {file.stem: file for file in sbom.write(images, folder)}
    for service, reference in sorted(images.items()):
        for command in commands(reference, str(bills[service]), key):
            _run(command)
        console.print(f"signed {reference}", markup=False)


def commands(reference: str, bill: str, key: str) -> list[list[str]]:
    """What cosign is asked for, for one image (pure)."""
    by = [] if key == KEYLESS else [f"--key={key}"]
    return [
        ["cosign", "sign", "--yes", *by, reference],
        ["cosign", "attest", "--yes", *by, "--type=cyclonedx", f"--predicate={bill}", reference],
    ]


def _run(command: Sequence[str]) -> None:
    step = f"{command[0]} {command[1]} {command[-1]}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(step, str(error), "install cosign; the release workflow does") from error
    if done.returncode != 0:
        raise ToolchainError(
            step, done.stderr.strip()[-500:], "see that the job may use the key, or has `id-token: write` for none"
        )
