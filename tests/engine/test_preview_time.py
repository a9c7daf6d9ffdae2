"""How long a preview takes, beside a program that does nothing with the same SDKs."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.engine.harness import Stack
from toolchain.paths import REPOSITORY

RUNS = 5
MOST = 2.0

_LIST_MODULES = """
import json, sys
from tests.infra.harness import environment_configuration, render
render(environment_configuration("prod"), stack="prod")
sdks = ("pulumi_aws.", "pulumi_docker_build.", "pulumi_kubernetes.")
print(json.dumps([name for name in sys.modules if name.startswith(sdks) and name.endswith("._inputs")]))
"""
"""A part of an SDK that is only announced has no inputs yet: these are the ones that the program uses."""


def used_modules() -> list[str]:
    """The parts of the SDKs that the program loads for prod."""
    answer = subprocess.run(
        [sys.executable, "-c", _LIST_MODULES], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    names: list[str] = json.loads(answer.stdout)
    return [name.removesuffix("._inputs") for name in names]


def fastest(*actions: Callable[[], object]) -> list[float]:
    """The shortest time of each action in seconds, taken in turns: what else the machine does meets all of them."""
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(RUNS):
        for taken, action in zip(times, actions, strict=True):
            start = time.monotonic()
            action()
            taken.append(time.monotonic() - start)
    return [min(taken) for taken in times]


@pytest.mark.alone
def test_a_preview_of_prod_takes_at_most_twice_an_empty_program_with_the_same_sdks(stack: Stack) -> None:
    """Importing is most of it: whoever imports more, or makes the program slow, sees it here."""
    modules = used_modules()
    assert "pulumi_aws.eks" in modules
    # The SDKs announce their parts and load each when something of it is asked for.
    stack.write("\n".join(["import pulumi, pydantic", *(f"from {module} import _inputs" for module in modules)]))
    prod = _prod(stack)

    def preview(of: Stack) -> Callable[[], object]:
        return lambda: of.succeed("preview")

    empty, whole = fastest(preview(stack), preview(prod))
    print(f"{whole / empty:.2f} times")  # noqa: T201 - shown with -s
    assert whole <= MOST * empty, f"{whole:.2f} s, {whole / empty:.2f} times the {empty:.2f} s of an empty program"


def _prod(empty: Stack) -> Stack:
    """The repository's own program with prod's configuration, as another project of the same kind."""
    prod = Stack(empty.folder.parent / "prod", empty.environment, empty.python, empty.pulumi)
    prod.write("")
    (prod.folder / "infra" / "__main__.py").unlink()
    (prod.folder / "infra").rmdir()
    (prod.folder / "infra").symlink_to(REPOSITORY / "infra")
    configuration = yaml.safe_load(Path(REPOSITORY, "Pulumi.prod.yaml").read_text(encoding="utf-8"))["config"]
    file = prod.folder / "Pulumi.test.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "config": configuration}))
    return prod
