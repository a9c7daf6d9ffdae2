"""Running a program as a step: its output in a log file, its failure explained."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolchain.errors import ToolchainError

_TAIL_LINES = 12

# What programs print when the machine, not the step, is at fault.
_KNOWN_CAUSES = (
    (
        "no space left on device",
        "the disk is full",
        "free some space (`make clean-cache` drops caches) and run it again",
    ),
    ("cannot allocate memory", "the machine is out of memory", "end what else takes memory and run it again"),
    (
        "could not resolve",
        "no name service for a package registry",
        "check the network and run it again: it goes on from here",
    ),
    (
        "temporary failure in name resolution",
        "no name service for a package registry",
        "check the network and run it again: it goes on from here",
    ),
    (
        "no such host",
        "no name service for a package registry",
        "check the network and run it again: it goes on from here",
    ),
    ("connection reset", "a download broke off", "run it again: it goes on from here"),
    ("unexpected eof", "a download broke off", "run it again: it goes on from here"),
    ("i/o timeout", "a download got no answer", "check the network and run it again: it goes on from here"),
    (
        "connection refused",
        "a server refused the connection",
        "check the network or proxy and run it again: it goes on from here",
    ),
    (
        "checksum mismatch",
        "a download is not what was pinned",
        "do not use it; if the pin was changed on purpose, renew go.sum",
    ),
)


def run(
    step: str,
    command: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_seconds: float | None = None,
) -> str:
    """Run a program and return what it printed on stdout; everything it prints is added to the log.

    Args:
        step: what it is for, as an error names it.
        command: the program and its arguments.
        log: file that stdout and stderr are appended to.
        env: variables set on top of this process's.
        cwd: folder to run it in.
        timeout_seconds: when to give up.

    Raises:
        ToolchainError: it could not be started, failed, or took too long.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise ToolchainError(step, f"{words[0]}: {error.strerror}", "see `make doctor` for what is missing") from error
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(
            step, f"no end after {timeout_seconds} s: {' '.join(words)}", f"see {log}, then run it again"
        ) from error
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}")
    if done.returncode != 0:
        raise explain(step, f"{Path(words[0]).name} ended with {done.returncode}", done.stdout + done.stderr, log)
    return done.stdout


def explain(step: str, outcome: str, output: str, log: Path) -> ToolchainError:
    """Make the error of a failed program from what it printed."""
    lowered = output.lower()
    for sign, cause, way_out in _KNOWN_CAUSES:
        if sign in lowered:
            line = next(line.strip() for line in output.splitlines() if sign in line.lower())
            return ToolchainError(step, f"{cause} ({outcome}: {line})", way_out)
    tail = "\n    ".join(output.strip().splitlines()[-_TAIL_LINES:])
    return ToolchainError(step, f"{outcome}; it printed last:\n    {tail}", f"see {log}, then run it again")
