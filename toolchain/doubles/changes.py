"""What differs between two property bags (pure)."""

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from toolchain.doubles.properties import UNKNOWN

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root of a property bag."""

_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w$]*\Z")


class ChangeKind(enum.Enum):
    """How a property differs."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Change:
    """A property that differs, and whether that takes a new resource."""

    path: Path
    kind: ChangeKind
    replaces: bool = False


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """The differences, at the deepest paths that tell them apart.

    Null counts as absent. `UNKNOWN` differs from every value, for a preview cannot promise that it will not.
    """
    return list(_compare_objects((), old, new))


def format_path(path: Path) -> str:
    """The path as the engine writes it: `spec.containers[0]`, `metadata.labels["a.b/c"]`."""
    text = ""
    for part in path:
        match part:
            case int():
                text += f"[{part}]"
            case str() if _PLAIN_KEY.match(part):
                text += f".{part}" if text else part
            case str():
                quoted = part.replace("\\", "\\\\").replace('"', '\\"')
                text += f'["{quoted}"]'
    return text


def touches(path: Path, rule: Iterable[str]) -> bool:
    """Whether a change at the path reaches the property that the rule names, from above or from below.

    A rule's `*` stands for any key or index.
    """
    return all(part in ("*", step) for step, part in zip(path, rule, strict=False))


def _compare_objects(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted({*old, *new}):
        yield from _compare(path + (key,), old.get(key), new.get(key))  # noqa: RUF005 - `(*path, key)` loses the type


def _compare(path: Path, old: object, new: object) -> Iterator[Change]:
    if old is None and new is None:
        return
    if old is None:
        yield Change(path, ChangeKind.ADD)
    elif new is None:
        yield Change(path, ChangeKind.DELETE)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _compare_objects(path, old, new)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _compare_lists(path, old, new)
    elif old is UNKNOWN or new is UNKNOWN or type(old) is not type(new) or old != new:
        yield Change(path, ChangeKind.UPDATE)


def _compare_lists(path: Path, old: list[Any], new: list[Any]) -> Iterator[Change]:
    for index in range(max(len(old), len(new))):
        before = old[index] if index < len(old) else None
        after = new[index] if index < len(new) else None
        yield from _compare(path + (index,), before, after)  # noqa: RUF005 - `(*path, index)` loses the type
