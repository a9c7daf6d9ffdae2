"""Logging Docker in to an environment's image registries, with the credentials of AWS that are at hand."""

import subprocess
from collections.abc import Mapping
from typing import Any, Final

from toolchain import pulumi_cli
from toolchain.errors import ToolchainError

_SECTION: Final = "realtime-ml:aws"
_SECONDS: Final = 60


def own(document: Mapping[str, Any]) -> str:
    """The registry that an environment's pods take images from (pure)."""
    section = document["config"][_SECTION]
    return f"{section['account_id']}.dkr.ecr.{section['region']}.amazonaws.com"


def source(document: Mapping[str, Any]) -> str | None:
    """The registry that its images are copied from; none where they are built (pure)."""
    given = document["config"][_SECTION].get("images_from")
    return None if given is None else str(given).partition("/")[0]


def log_in(name: str, *, to_source: bool) -> None:
    """Log Docker in to an environment's registry, or to the one that its images come from, if there is one.

    Raises:
        ToolchainError: the AWS CLI has no fitting credentials, or Docker does not take them.
    """
    document = pulumi_cli.read_config(name)
    registry = source(document) if to_source else own(document)
    if registry is None:
        return
    region = registry.split(".")[3]
    password = _run(registry, ["aws", "ecr", "get-login-password", "--region", region])
    _run(registry, ["docker", "login", "--username=AWS", "--password-stdin", registry], password)


def _run(registry: str, command: list[str], text: str = "") -> str:
    """Passwords go in by standard input, so that no process list shows them."""
    step = f"logging in to {registry}"
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(step, f"{command[0]}: {error}", f"install {command[0]}, or start it") from error
    if done.returncode != 0:
        raise ToolchainError(step, f"{command[0]}: {done.stderr.strip()[-500:]}", "look at the role that the job has")
    return done.stdout
