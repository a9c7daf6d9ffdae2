"""A run of the Pulumi CLI, and what it did by its own account."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MADE = ("create", "create-replacement")
_GONE = ("delete", "delete-replaced")
_NOTHING = ("same", "refresh", "read")


@dataclass(frozen=True)
class Operation:
    """What a run came to.

    Attributes:
        code: its exit status.
        done: each step that went well and changed something: the operation, the type and the name of the resource.
        errors: what it gave as errors.
    """

    code: int
    done: Sequence[tuple[str, str, str]]
    errors: Sequence[str]

    @classmethod
    def of(cls, code: int, events: Iterable[Mapping[str, Any]]) -> "Operation":
        """Read the engine's events (pure)."""
        done, errors = [], []
        for event in events:
            metadata = event.get("resOutputsEvent", {}).get("metadata", {})
            if metadata and metadata["op"] not in _NOTHING and not metadata["type"].startswith("pulumi:"):
                done.append((metadata["op"], metadata["type"], metadata["urn"].rpartition("::")[2]))
            diagnostic = event.get("diagnosticEvent", {})
            if diagnostic.get("severity") == "error":
                errors.append(str(diagnostic["message"]).strip())
        return cls(code, done, errors)

    @property
    def made(self) -> set[tuple[str, str]]:
        """Type and name of what it made."""
        return {(token, name) for operation, token, name in self.done if operation in _MADE}

    @property
    def gone(self) -> set[tuple[str, str]]:
        """Type and name of what it deleted."""
        return {(token, name) for operation, token, name in self.done if operation in _GONE}


def perform(arguments: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> Operation:
    """Run the CLI, whatever it comes to; its events are added to the log."""
    command = ["pulumi", "--non-interactive", *map(str, arguments), "--json"]
    streaming = {**environment, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {' '.join(command)}\n")
        file.flush()
        done = subprocess.run(
            command,
            env=streaming,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            check=False,
        )
        file.write(done.stdout)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]
    return Operation.of(done.returncode, events)
