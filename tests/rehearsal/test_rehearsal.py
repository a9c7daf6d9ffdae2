"""A rehearsal that is broken off leaves nothing running; tests/e2e/test_tutorial.py rehearses prod to its end."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from toolchain.paths import REPOSITORY

pytestmark = pytest.mark.engine


def _rehearse(name: str) -> subprocess.Popen[str]:
    """`make rehearse ENV=name` with nothing of a cloud in its environment, in a process group of its own."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_"))}
    return subprocess.Popen(
        ["make", "--no-print-directory", "rehearse", f"ENV={name}"],
        cwd=REPOSITORY,
        env=ours,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def _left_running(folder: Path) -> list[str]:
    """The command lines that speak of a rehearsal's folder."""
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(folder) in line]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_rehearsal_leaves_nothing_running(number: signal.Signals) -> None:
    """In the middle of the first `up`, when everything has been started."""
    folder = REPOSITORY / "build" / "rehearsal" / "dev"
    process = _rehearse("dev")
    assert process.stdout is not None
    for line in process.stdout:
        if "everything comes up" in line:
            break
    started = time.monotonic()
    while not (folder / "account.json").exists() and time.monotonic() < started + 30:
        time.sleep(0.1)
    assert len(_left_running(folder)) > 5
    os.killpg(process.pid, number)
    said, _ = process.communicate()
    assert process.returncode != 0, said
    assert _left_running(folder) == []


def test_an_environment_that_is_not_on_aws_is_refused() -> None:
    """With what to do instead."""
    process = _rehearse("local")
    said, _ = process.communicate()
    assert process.returncode != 0
    assert "Pulumi.local.yaml is not on AWS" in said
    assert "rehearse dev, staging or prod" in said
