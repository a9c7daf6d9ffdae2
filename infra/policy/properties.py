"""Reading properties that may be absent or not known yet."""

from collections.abc import Iterator, Mapping

from infra.policy.model import UNKNOWN, Json


def at(value: Json, path: str) -> Json:
    """The value at a path of keys, such as `spec.template`; `None` where absent, `UNKNOWN` where anything above is.

    A number steps into a list.
    """
    for step in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value


def is_not(value: Json, expected: Json) -> bool:
    """Whether a value is known, or known to be absent, and not the expected one."""
    return value is not UNKNOWN and value != expected


def has_unknown(value: Json) -> bool:
    """Whether any part of a value is not known yet."""
    if isinstance(value, Mapping):
        return any(has_unknown(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(has_unknown(inner) for inner in value)
    return value is UNKNOWN


def items(value: Json) -> list[Json]:
    """The entries of a list; none where it is absent or not known yet; a single value counts as a list of one."""
    if value is None or value is UNKNOWN:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def entries(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    """The entries of the list at a path, each with its own path."""
    for index, entry in enumerate(items(at(value, path))):
        yield f"{path}[{index}]", entry
