"""The recipes that a pull request changes, each judged before it is merged."""

import re
import subprocess
from collections.abc import Iterable

from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY
from toolchain.progress import console


def changed(paths: Iterable[str]) -> list[str]:
    """The models whose recipes, or programs that make their data, are among these files: by name, in order (pure)."""
    found = (re.fullmatch(r"models/(\w+)/(?:recipe\.toml|\w+\.py)", path) for path in paths)
    return sorted({match.group(1).replace("_", "-") for match in found if match})


def validate(base: str) -> None:
    """Judge every recipe that differs from where this branch left another, by `make validate-model`.

    Args:
        base: the other branch, as git names it.

    Raises:
        ToolchainError: a recipe is refused, or there is no such branch.
    """
    step = "judging changed recipes"
    # What was taken away has no recipe any more.
    command = ["git", "diff", "--name-only", "--diff-filter=d", f"{base}...HEAD", "--", "models"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolchainError(step, done.stderr.strip(), "fetch the branch that is merged into")
    models = changed(done.stdout.splitlines())
    console.print(f"changed recipes: {', '.join(models) or 'none'}")
    start = subprocess.run(
        ["git", "merge-base", base, "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    refused = [
        model
        for model in models
        if subprocess.run(
            ["make", "validate-model", f"MODEL={model}", f"BASE={start.stdout.strip()}"], cwd=REPOSITORY, check=False
        ).returncode
    ]
    if refused:
        raise ToolchainError(
            step, f"refused: {', '.join(refused)}", "see the gates above; build/validation/ has the evidence"
        )
