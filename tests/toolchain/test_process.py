"""A failed program's error: its cause in words, and what to do."""

import sys
from pathlib import Path

import pytest

from toolchain.errors import ToolchainError
from toolchain.process import explain, run


@pytest.mark.parametrize(
    ("printed", "cause"),
    [
        ("write /x: no space left on device", "the disk is full"),
        ("read tcp: connection reset by peer", "a download broke off"),
        ("verifying module: checksum mismatch", "a download is not what was pinned"),
    ],
)
def test_known_failures_are_named(printed: str, cause: str, tmp_path: Path) -> None:
    """What the machine or the network did is told apart from what the program did."""
    error = explain("a step", "go ended with 1", f"first line\n{printed}\n", tmp_path / "log")
    assert cause in error.cause
    assert printed in error.cause
    assert error.way_out


def test_a_failure_shows_the_last_lines_and_the_log(tmp_path: Path) -> None:
    """An unknown failure is shown as the program told it."""
    log = tmp_path / "logs" / "step.log"
    with pytest.raises(ToolchainError) as caught:
        run("a step", [sys.executable, "-c", "print('what went wrong'); raise SystemExit(3)"], log)
    assert "ended with 3" in caught.value.cause
    assert "what went wrong" in caught.value.cause
    assert str(log) in caught.value.way_out
    assert "what went wrong" in log.read_text(encoding="utf-8")


def test_a_missing_program_is_no_trace(tmp_path: Path) -> None:
    """A program that is not there is an error of the step."""
    with pytest.raises(ToolchainError, match="No such file"):
        run("a step", ["/no/such/program"], tmp_path / "log")
