"""Whether inputs are what AWS's API takes (pure)."""

import functools
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from toolchain.doubles.aws.models import Shape
from toolchain.doubles.aws.resource_type import OWN, ResourceType
from toolchain.doubles.changes import Path, format_path
from toolchain.doubles.properties import UNKNOWN, Properties

_COMMON = frozenset({"tags", "tagsAll", "region", "__defaults"})
_TAG_KEY_LENGTH_MAX = 128
_TAG_VALUE_LENGTH_MAX = 256
_SHOWN_MAX = 40

_NUMBERS: Mapping[str, type] = {"integer": int, "long": int, "float": float, "double": float}

_Failure = tuple[str, str]


def failures(row: ResourceType, root: Shape, inputs: Properties) -> dict[str, str]:
    """What is wrong with the inputs: property path to the value and what would fit.

    Args:
        row: the resource's type.
        root: what its create operation takes.
        inputs: as the program gives them; what a preview cannot know yet passes.
    """
    return dict(_Check(row, root).run(inputs))


class _Check:
    """One pass over the inputs; remembers which members of the operation it met."""

    def __init__(self, row: ResourceType, root: Shape) -> None:
        self._row = row
        self._root = root
        self._met: set[str] = set()

    def run(self, inputs: Properties) -> Iterator[_Failure]:
        named = {key: value for key, value in inputs.items() if key not in _COMMON and value is not None}
        if self._row.tags:
            yield from _tag_failures(inputs.get("tags"))
        elif inputs.get("tags"):
            yield "tags", f"{self._row.token} has no tags"
        if inputs.get("region") and not self._row.regional:
            yield "region", f"{self._row.token} is in no region"
        yield from self._properties((), named, self._root, "")
        yield from self._missing((), self._root, "", {self._root.named(key) or key for key in named})

    def _properties(self, path: Path, given: Mapping[str, Any], shape: Shape, at: str) -> Iterator[_Failure]:
        for key, value in given.items():
            if value is not None:
                yield from self._property((*path, key), value, shape, at)

    def _property(self, path: Path, value: object, parent: Shape, at: str) -> Iterator[_Failure]:
        rule = ".".join(str(step) for step in path if isinstance(step, str))
        yield from _format_failures(self._row, rule, path, value)
        target = self._row.members.get(rule)
        if target == OWN:
            return
        if target is not None:
            self._meet(target)
            yield from self._value(path, value, self._root.at(target), target)
            return
        name = parent.named(str(path[-1]))
        if name is None:
            if rule not in self._row.formats:
                yield format_path(path), _no_such_property(parent, self._row, rule)
            return
        target = f"{at}.{name}" if at else name
        self._meet(target)
        yield from self._value(path, value, parent.member(name), target)

    def _value(self, path: Path, value: object, shape: Shape, at: str) -> Iterator[_Failure]:
        if value is None or value is UNKNOWN:
            return
        if isinstance(value, list) and shape.kind in ("list", "structure"):
            # Pulumi has lists of one where some APIs have the one itself.
            if shape.kind == "list":
                yield from _bounds(path, len(value), "items", shape)
            for index, item in enumerate(value):
                inner = shape.item if shape.kind == "list" else shape
                yield from self._value((*path, index), item, inner, at)
        elif shape.kind == "list":
            # And the one itself where other APIs have lists.
            yield from self._value(path, value, shape.item, at)
        elif shape.kind == "structure":
            yield from self._structure(path, value, shape, at)
        elif shape.kind == "map":
            if not isinstance(value, Mapping):
                yield format_path(path), f"is {value!r}; it must be an object"
                return
            for key, item in value.items():
                yield from self._value((*path, key), item, shape.item, at)
        else:
            yield from _scalar_failures(path, value, shape)

    def _structure(self, path: Path, value: object, shape: Shape, at: str) -> Iterator[_Failure]:
        if not isinstance(value, Mapping):
            yield format_path(path), f"is {value!r}; it must be an object"
            return
        given = {key: item for key, item in value.items() if item is not None and key not in _COMMON}
        yield from self._properties(path, given, shape, at)
        yield from self._missing(path, shape, at, {shape.named(key) or key for key in given})

    def _missing(self, path: Path, shape: Shape, at: str, named: set[str]) -> Iterator[_Failure]:
        for member in shape.required:
            target = f"{at}.{member}" if at else member
            if member in named or target in self._met or target in self._row.provided:
                continue
            rules = [rule for rule, aim in self._row.members.items() if aim == target]
            name = rules[0].rpartition(".")[2] if rules else member[:1].lower() + member[1:]
            yield format_path((*path, name)), f"is missing; {self._row.operation} requires it"

    def _meet(self, target: str) -> None:
        parts = target.split(".")
        self._met.update(".".join(parts[: count + 1]) for count in range(len(parts)))


def _no_such_property(parent: Shape, row: ResourceType, rule: str) -> str:
    prefix, _, _ = rule.rpartition(".")
    mapped = {known.rpartition(".")[2] for known in (*row.members, *row.formats) if known.rpartition(".")[0] == prefix}
    names = sorted({*mapped, *(member[:1].lower() + member[1:] for member in parent.members)})
    return f"is no property that {row.operation} knows; there are {_listed(names)}"


def _format_failures(row: ResourceType, rule: str, path: Path, value: object) -> Iterator[_Failure]:
    check = row.formats.get(rule)
    if check is None or value is UNKNOWN:
        return
    items = value if isinstance(value, list) else [value]
    for index, item in enumerate(items):
        wrong = "" if item is UNKNOWN or item is None else check(item)
        if wrong:
            yield format_path((*path, index) if isinstance(value, list) else path), f"is {item!r}; it {wrong}"


def _scalar_failures(path: Path, value: object, shape: Shape) -> Iterator[_Failure]:
    where = format_path(path)
    if shape.kind == "boolean":
        # Some of Pulumi's properties are text where the API has a boolean.
        if value not in (True, False, "true", "false"):
            yield where, f"is {value!r}; it must be true or false"
    elif shape.kind in _NUMBERS:
        try:
            number = _NUMBERS[shape.kind](value)
        except (TypeError, ValueError):
            yield where, f"is {value!r}; it must be a number"
            return
        yield from _bounds(path, number, "", shape)
    elif shape.kind == "string":
        if isinstance(value, Mapping | list):
            yield where, f"is {value!r}; it must be text"
        else:
            yield from _text_failures(path, str(value), shape)


def _text_failures(path: Path, value: str, shape: Shape) -> Iterator[_Failure]:
    where = format_path(path)
    allowed = shape.body.get("enum")
    if allowed:
        if value not in allowed:
            yield where, f"is {value!r}; allowed: {_listed(allowed)}"
        return
    yield from _bounds(path, len(value), "characters", shape, shown=value)
    pattern = shape.body.get("pattern", "")
    if not _matches(pattern, value):
        yield where, f"is {value!r}; it must match {pattern}"


def _bounds(path: Path, size: float, unit: str, shape: Shape, shown: object = None) -> Iterator[_Failure]:
    least, most = shape.body.get("min"), shape.body.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        low = "any" if least is None else least
        high = "any" if most is None else most
        what = f"has {size} {unit}" if unit else f"is {size}"
        if isinstance(shown, str):
            what = f"is {shown!r} with {size} {unit}"
        yield format_path(path), f"{what}; allowed: from {low} to {high}"


def _tag_failures(tags: object) -> Iterator[_Failure]:
    if not isinstance(tags, Mapping):
        return
    for key, value in tags.items():
        where = format_path(("tags", key))
        if key.lower().startswith("aws:"):
            yield where, "has a key that begins with aws:, which AWS keeps to itself"
        if not 1 <= len(key) <= _TAG_KEY_LENGTH_MAX:
            yield where, f"has a key of {len(key)} characters; allowed: from 1 to {_TAG_KEY_LENGTH_MAX}"
        if isinstance(value, str) and len(value) > _TAG_VALUE_LENGTH_MAX:
            yield where, f"has {len(value)} characters; allowed: from 0 to {_TAG_VALUE_LENGTH_MAX}"


def _matches(pattern: str, value: str) -> bool:
    """Whether a value matches; the models mean the whole value unless they say where it begins or ends."""
    compiled = _compiled(pattern)
    if compiled is None:
        return True
    anchored = pattern.startswith("^") or pattern.endswith("$")
    return bool(compiled.search(value) if anchored else compiled.fullmatch(value))


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern, if Python can read it: some are Java's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(pattern) if pattern else None
    except re.error:
        return None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""
    return ", ".join(names[:_SHOWN_MAX]) + more
