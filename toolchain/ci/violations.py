"""What the policy pack objects to, at the line of the program that asks for it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_OF_THE_PROGRAM: Final = "project:///infra/"
_SCHEME: Final = "project:///"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a resource breaks.

    Attributes:
        rule: its name.
        resource: Pulumi's name of the resource.
        message: what is wrong, and the way out.
        stops: whether an `up` is refused for it.
        file: where the program asks for the resource, from the repository's root; empty where that is not known.
        line: in the file.
    """

    rule: str
    resource: str
    message: str
    stops: bool
    file: str
    line: int

    @property
    def annotation(self) -> str:
        """As GitHub's runner shows it beside the line."""
        kind = "error" if self.stops else "warning"
        where = {"file": self.file, "line": str(self.line)} if self.file else {}
        properties = ",".join(f"{key}={_property(value)}" for key, value in {**where, "title": self.rule}.items())
        return f"::{kind} {properties}::{_data(f'{self.resource}: {self.message}')}"

    def __str__(self) -> str:
        """For a log that people read."""
        return f"{self.file}:{self.line}: {self.rule}: {self.resource}: {self.message}"


def read_violations(events: Iterable[str], plan: str) -> list[Violation]:
    """The violations that a preview reported, in its order, each once.

    Args:
        events: the lines of `pulumi preview --event-log`.
        plan: what `pulumi preview --json` printed, which knows where each resource is asked for.
    """
    positions = dict(_positions(json.loads(plan).get("steps", ())))
    found = [json.loads(line).get("policyEvent") for line in events]
    return list(dict.fromkeys(_violation(event, positions) for event in found if event))


def _violation(event: Mapping[str, Any], positions: Mapping[str, tuple[str, int]]) -> Violation:
    urn = str(event.get("resourceUrn") or "")
    file, line = positions.get(urn, ("", 0))
    return Violation(
        rule=event["policyName"],
        resource=urn.rpartition("::")[2],
        # The first line repeats the rule's description.
        message=event["message"].strip().rpartition("\n")[2],
        stops=event["enforcementLevel"] == "mandatory",
        file=file,
        line=line,
    )


def _positions(steps: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, tuple[str, int]]]:
    """By URN the innermost line of our program that led to the resource; above it lie the SDKs' own."""
    for step in steps:
        for frame in (step.get("newState") or {}).get("stackTrace") or ():
            position = str(frame.get("sourcePosition") or "")
            if position.startswith(_OF_THE_PROGRAM):
                file, _, line = position.removeprefix(_SCHEME).partition("#")
                yield step["urn"], (file, int(line.partition(",")[0]))
                break


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
