"""A plan: the changes of `pulumi preview --json`, by what they do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from toolchain.errors import ToolchainError


class Action(StrEnum):
    """What happens to a resource; the order is that of a reviewer's attention."""

    REPLACE = "replace"
    DELETE = "delete"
    UPDATE = "update"
    CREATE = "create"


# A replacement is told as three steps; one of them stands for it. What is read or stays is no change.
_ACTIONS: Final[Mapping[str, Action]] = {
    "create": Action.CREATE,
    "import": Action.CREATE,
    "update": Action.UPDATE,
    "replace": Action.REPLACE,
    "delete": Action.DELETE,
}
_SILENT: Final = frozenset(
    {
        "same",
        "read",
        "refresh",
        "create-replacement",
        "delete-replaced",
        "discard",
        "discard-replaced",
        "read-replacement",
        "read-discard",
        "remove-pending-replace",
        "import-replacement",
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that changes."""

    action: Action
    type: str
    """As Pulumi writes it, such as `aws:s3/bucket:Bucket`."""
    name: str
    because: tuple[str, ...]
    """The properties that force a replacement, or that change; empty for what is new or goes."""
    old: Mapping[str, Any]
    """Its inputs so far; empty for what is new."""
    new: Mapping[str, Any]
    """Its inputs to be; empty for what goes."""
    protected: bool

    @property
    def kind(self) -> str:
        """The last part of the type, such as `Bucket`."""
        return self.type.rsplit(":", 1)[-1]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an `up` would do."""

    changes: tuple[Change, ...]
    unchanged: int


def read_plan(text: str) -> Plan:
    """Reads what `pulumi preview --json` printed. Components are left out: their children say what happens.

    Raises:
        ToolchainError: it is no such document, or has a step of a kind that nobody foresaw.
    """
    try:
        document = json.loads(text)
        steps = document["steps"]
    except (ValueError, KeyError, TypeError):
        raise ToolchainError(
            "reading the plan", "it is not the output of `pulumi preview --json`", "see what Pulumi printed to stderr"
        ) from None
    changes, unchanged = [], 0
    for step in steps:
        operation = step["op"]
        if operation in _ACTIONS:
            if _is_custom(step):
                changes.append(_change(_ACTIONS[operation], step))
        elif operation not in _SILENT:
            raise ToolchainError(
                "reading the plan", f"a step of the unknown kind {operation!r}", "add it to toolchain/ci/plan.py"
            )
        elif operation == "same":
            unchanged += _is_custom(step)
    return Plan(tuple(changes), unchanged)


def _is_custom(step: Mapping[str, Any]) -> bool:
    state = step.get("newState") or step.get("oldState") or {}
    return bool(state.get("custom")) and not str(state.get("type", "")).startswith("pulumi:providers:")


def _change(action: Action, step: Mapping[str, Any]) -> Change:
    old, new = step.get("oldState") or {}, step.get("newState") or {}
    known = new or old
    because = step.get("replaceReasons") if action is Action.REPLACE else None
    return Change(
        action=action,
        type=known["type"],
        name=step["urn"].rsplit("::", 1)[-1],
        because=tuple(because or step.get("diffReasons") or ()),
        old=old.get("inputs") or {},
        new={} if action is Action.DELETE else new.get("inputs") or {},
        protected=bool(old.get("protect")),
    )
