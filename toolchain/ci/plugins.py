"""Pulumi's official plugins, in the versions of the SDKs that the program is locked to."""

import subprocess
from importlib.metadata import version
from typing import Final

from toolchain.errors import ToolchainError

_SDKS: Final = {"aws": "pulumi-aws", "kubernetes": "pulumi-kubernetes", "docker-build": "pulumi-docker-build"}


def commands() -> list[list[str]]:
    """What installs them (pure, but for a look at what is installed)."""
    return [["pulumi", "plugin", "install", "resource", name, version(sdk)] for name, sdk in _SDKS.items()]


def install() -> None:
    """Install them, so that no stand-in takes their place.

    Raises:
        ToolchainError: the Pulumi CLI is missing, or one cannot be had.
    """
    for command in commands():
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ToolchainError(
                " ".join(command), str(error), "see what it printed above; it needs the network"
            ) from None
