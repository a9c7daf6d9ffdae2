"""Every key that a stack's configuration may have."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from infra.config.stack import StackConfig
from infra.naming import PROJECT
from infra.problems import section_in, shown


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section."""

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """One section: where it stands in the configuration, and its keys."""

    path: str
    meaning: str
    keys: tuple[Key, ...]


def tables(section: type[BaseModel] = StackConfig, path: str = f"{PROJECT}:") -> Iterator[Table]:
    """The sections from the outside in, each once."""
    fields = section.model_fields
    yield Table(path, _first_line(section), tuple(_key(name, field, section) for name, field in fields.items()))
    for name, field in fields.items():
        inner = section_in(field.annotation)
        if inner is not None:
            many = "[]" if "tuple" in repr(field.annotation) else ""
            yield from tables(inner, f"{path}{name}{many}" if path.endswith(":") else f"{path}.{name}{many}")


def _key(name: str, field: FieldInfo, section: type[BaseModel]) -> Key:
    inner = section_in(field.annotation)
    if inner is not None:
        meaning, default = field.description or _first_line(inner), "required" if field.is_required() else "see below"
    else:
        meaning, default = field.description or "", _default(field)
    if not meaning:
        message = f"{section.__name__}.{name} has no description: say what it means and what fits"
        raise ValueError(message)
    return Key(name, _type(field.annotation), default, meaning)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined:
        return "not set"
    return f"`{shown(value)}`"


def _type(annotation: Any) -> str:  # noqa: ANN401 - annotations have no common type
    """A type in the words of YAML."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in _CONTAINERS:
        return f"{_CONTAINERS[origin]} of {_type(arguments[0 if origin is tuple else -1])}"
    if origin is Annotated:
        return _type(arguments[0])
    if arguments:
        return " or ".join(_type(argument) for argument in arguments if argument is not NoneType)
    return _WORDS.get(annotation, "section" if section_in(annotation) else "text")


_CONTAINERS: Final = {tuple: "list", dict: "map"}
_WORDS: Final = {bool: "true or false", int: "whole number", float: "number", str: "text", SecretStr: "secret text"}


def _first_line(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def page() -> str:
    """The page in Markdown."""
    lines = [
        "# Configuration",
        "",
        "Every key of `Pulumi.<stack>.yaml`, written from the code by `make docs`. A file holds only what differs from",
        "the defaults; an unknown key or a value that does not fit is refused before anything changes.",
        "",
    ]
    for table in tables():
        lines += [
            f"## `{table.path}`",
            "",
            table.meaning,
            "",
            "| key | type | default | meaning |",
            "| --- | --- | --- | --- |",
        ]
        lines += [f"| `{key.name}` | {key.type} | {_cell(key.default)} | {_cell(key.meaning)} |" for key in table.keys]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
