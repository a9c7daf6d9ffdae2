"""What became of an environment outside of Pulumi: changed by hand, gone, or made anew by somebody else."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from toolchain import environments
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY

_SILENT: Final = frozenset({"same", "refresh", "read"})
_VERBS: Final = {"delete": "is gone", "update": "was changed"}
_SHOWN_PROPERTIES: Final = 10


@dataclass(frozen=True, slots=True)
class Deviation:
    """A resource that is not as the stack made it."""

    type: str
    name: str
    operation: str
    properties: tuple[str, ...]

    def __str__(self) -> str:
        """A line of the report."""
        what = _VERBS.get(self.operation, self.operation)
        shown = ", ".join(f"`{name}`" for name in self.properties[:_SHOWN_PROPERTIES])
        more = len(self.properties) - _SHOWN_PROPERTIES
        rest = f" and {more} more" if more > 0 else ""
        return f"- **{self.type.rsplit(':', 1)[-1]} `{self.name}`** {what}" + (f": {shown}{rest}" if shown else "")


def look(name: str) -> list[Deviation]:
    """Compare what an environment's state says with what there is; changes neither.

    Raises:
        ToolchainError: Pulumi could not look.
    """
    variables = environments.own_backend(f"looking at {name}", name)
    command = ["pulumi", "--non-interactive", "--cwd", str(REPOSITORY), "refresh", "--stack", name]
    done = subprocess.run(
        [*command, "--preview-only", "--expect-no-changes", "--json"],
        # One event a line: the document that it prints otherwise does not tell what a refresh found.
        env={**variables, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = deviations(done.stdout)
    if done.returncode != 0 and not found:
        raise ToolchainError(
            f"looking at {name}", done.stderr.strip()[-2000:], "see what Pulumi printed; its role may read everything"
        )
    return found


def deviations(events: str) -> list[Deviation]:
    """The resources that `pulumi refresh --preview-only --json` would record anew (pure)."""
    found = []
    for line in events.splitlines():
        metadata = json.loads(line).get("resOutputsEvent", {}).get("metadata") if line.startswith('{"') else None
        if metadata and metadata["op"] not in _SILENT:
            properties = metadata.get("detailedDiff") or metadata.get("diffs") or ()
            name = metadata["urn"].rpartition("::")[2]
            found.append(Deviation(metadata["type"], name, metadata["op"], tuple(sorted(properties))))
    return found


def marker(environment: str) -> str:
    """What tells the issue of an environment from others."""
    return f"<!-- realtime-ml infrastructure drift {environment} -->"


def title(environment: str) -> str:
    """The issue's title."""
    return f"{environment} is not as its stack made it"


def report(environment: str, found: Sequence[Deviation]) -> str:
    """The issue's text."""
    way_out = (
        f"To undo it, release again: `make up ENV={environment}` brings back what the stack describes, once "
        f"`pulumi refresh --stack {environment}` has seen the changes. To keep it, put it into the program or into "
        f"`Pulumi.{environment}.yaml`. This issue closes itself when there is no difference any more."
    )
    head = f"{len(found)} resources of `{environment}` changed outside of Pulumi:"
    return "\n".join([head, "", *map(str, found), "", way_out, ""])
