"""Where in a stack's file a property stands."""

import re
from pathlib import Path
from typing import Final

import yaml

_STEP: Final = re.compile(r"[^.\[\]]+")


def place(file: Path, path: str) -> str | None:
    """File and line of a property, or of the nearest section around it that the file has; None where it has neither.

    Args:
        file: such as `Pulumi.prod.yaml`.
        path: as `pulumi config set --path` takes it, such as `realtime-ml:models[0].name`.
    """
    if not file.is_file():
        return None
    found = line(file.read_text(encoding="utf-8"), path)
    return None if found is None else f"{file.name}:{found}"


def line(text: str, path: str) -> int | None:
    """As `place`, of a file's text."""
    node, number = _value(yaml.compose(text), "config"), None
    key, *steps = _STEP.findall(path)
    for step in (key, *steps):
        found = _entry(node, step)
        if found is None:
            break
        number, node = found
    return number


def _entry(node: yaml.Node | None, step: str) -> tuple[int, yaml.Node] | None:
    """The line on which a key or a list's place stands, and its value."""
    if isinstance(node, yaml.SequenceNode) and step.isdecimal() and int(step) < len(node.value):
        inner = node.value[int(step)]
        return inner.start_mark.line + 1, inner
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == step:
                return name.start_mark.line + 1, value
    return None


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    found = _entry(node, key)
    return None if found is None else found[1]
