"""A release of this checkout to an environment: up, smoke test, and back to the release before if that fails."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from toolchain import environments, pulumi_cli
from toolchain.ci.smoke import smoke
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY
from toolchain.progress import console

_HEAD: Final = "git.head"
"""Under this, Pulumi keeps with every update the commit of the checkout that it was made from."""


def release(name: str, roll_back: Callable[[str, str], None] | None = None) -> None:
    """Bring an environment up from this checkout; where its smoke test fails, go back to the release before.

    Args:
        name: of the environment.
        roll_back: takes the environment's name and a commit; by default runs that commit's own `make up`.

    Raises:
        ToolchainError: the `up` or the smoke test failed; it says what the environment runs now.
    """
    before = previous(history(name), commit())
    environments.up(name)
    try:
        smoke(scoring_urls(name))
    except ToolchainError as error:
        step = f"releasing to {name}"
        if before is None:
            way_out = "there is no release before this one to go back to: mend it and release again"
            raise ToolchainError(step, error.cause, way_out) from error
        console.print(f"{error}\ngoing back to {before}", markup=False)
        (roll_back or up_of)(name, before)
        smoke(scoring_urls(name))
        way_out = f"it runs {before} again, which answers; mend this commit or revert it"
        raise ToolchainError(step, error.cause, way_out) from error


def previous(updates: list[Mapping[str, Any]], current: str) -> str | None:
    """The commit of the last update that went well and was made from another commit than this one (pure).

    Args:
        updates: as `pulumi stack history --json` prints them, newest first.
        current: the commit that is released now; a second attempt at it is no release to go back to.
    """
    heads = (
        update.get("environment", {}).get(_HEAD, "")
        for update in updates
        if update.get("result") == "succeeded" and update.get("kind") == "update"
    )
    return next((head for head in heads if head and head != current), None)


def history(name: str) -> list[Mapping[str, Any]]:
    """What was done to an environment, newest first."""
    found: list[Mapping[str, Any]] = json.loads(_ask(name, "stack", "history", "--json") or "[]")
    return found


def scoring_urls(name: str) -> dict[str, str]:
    """Where an environment's models are asked."""
    urls: dict[str, str] = outputs(name).get("scoring_urls", {})
    return urls


def outputs(name: str) -> Mapping[str, Any]:
    """What an environment's stack tells; secrets are left out."""
    told: Mapping[str, Any] = json.loads(_ask(name, "stack", "output", "--json") or "{}")
    return told


def commit() -> str:
    """The commit of this checkout."""
    return _git("rev-parse", "HEAD").strip()


def up_of(name: str, revision: str) -> None:
    """Bring an environment up as a commit had it, by that commit's own program and tools."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        checkout = Path(folder, "checkout")
        _git("worktree", "add", "--detach", str(checkout), revision)
        try:
            done = subprocess.run(["make", "up", f"ENV={name}"], cwd=checkout, check=False)
        finally:
            _git("worktree", "remove", "--force", str(checkout))
    if done.returncode != 0:
        raise ToolchainError(
            f"going back to {revision}", f"its `make up` ended with {done.returncode}", "see what it printed above"
        )


def _ask(name: str, *arguments: str) -> str:
    variables = environments.own_backend(f"asking {name}", name)
    return pulumi_cli.run(["--cwd", REPOSITORY, *arguments, "--stack", name], variables, capture=True)


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    except subprocess.CalledProcessError as error:
        raise ToolchainError(
            f"git {arguments[0]}", error.stderr.strip(), "fetch the whole history: a release is found by its commit"
        ) from error
