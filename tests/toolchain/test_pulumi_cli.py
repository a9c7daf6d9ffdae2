"""Running the Pulumi CLI."""

import json
import os
import socket
from pathlib import Path

import pytest

from toolchain.pulumi_cli import release_locks

# No process has it: pid_max is at most 2^22.
DEAD = 2**22 + 1


@pytest.mark.parametrize(
    ("pid", "hostname", "stays"),
    [
        (DEAD, socket.gethostname(), False),
        (os.getpid(), socket.gethostname(), True),
        (DEAD, "elsewhere", True),
    ],
    ids=["killed here", "going on", "of another machine"],
)
def test_only_the_lock_of_a_run_that_was_killed_here_is_removed(
    tmp_path: Path, pid: int, hostname: str, *, stays: bool
) -> None:
    """A run that goes on, and one of another machine, keep the stack to themselves."""
    lock = tmp_path / ".pulumi" / "locks" / "organization" / "realtime-ml" / "local" / "1.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"pid": pid, "hostname": hostname}), encoding="utf-8")
    release_locks(tmp_path)
    assert lock.exists() is stays


def test_a_lock_that_cannot_be_read_stays(tmp_path: Path) -> None:
    """It may be in the making."""
    lock = tmp_path / ".pulumi" / "locks" / "1.json"
    lock.parent.mkdir(parents=True)
    lock.write_text("{", encoding="utf-8")
    release_locks(tmp_path)
    assert lock.exists()
