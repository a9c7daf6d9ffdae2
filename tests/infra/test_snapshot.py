"""The `local` stack in full, for people to read: a change of infrastructure shows in the diff of a pull request.

`UPDATE_SNAPSHOTS=1 pytest tests/infra/test_snapshot.py` writes it anew.
"""

import os
from pathlib import Path
from typing import Any

import yaml

from tests.infra.harness import Json, Rendered, Secret

SNAPSHOT = Path(__file__).parent / "snapshots" / "local.yaml"
HEADER = "# Made by tests/infra/test_snapshot.py, which says how to make it anew.\n"


class _Dumper(yaml.SafeDumper):
    """Block style throughout, texts of several lines as such, no anchors: what changes is what the diff shows."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 (the base class's signature)
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _masked(value: Json) -> Json:
    if isinstance(value, Secret):
        return "[secret]"
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return value


def snapshot(rendered: Rendered) -> str:
    """Every resource with what it waits for and what is asked for, and the outputs, in a fixed order."""
    by_urn = {resource.urn: resource for resource in rendered.resources}
    document: dict[str, Any] = {
        f"{resource.type} {resource.name}": {
            "waits_for": sorted(str(by_urn[urn]) for urn in resource.depends_on),
            "inputs": _masked(resource.inputs),
        }
        for resource in sorted(rendered.resources, key=lambda resource: (resource.type, resource.name))
    }
    document["outputs"] = _masked(rendered.outputs)
    return HEADER + yaml.dump(document, Dumper=_Dumper, sort_keys=True, width=1000)


def test_the_local_stack_is_what_was_last_reviewed(local: Rendered) -> None:
    """Whoever changes the stack sees, and shows, what became of it."""
    current = snapshot(local)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(current, encoding="utf-8")
    assert current == SNAPSHOT.read_text(encoding="utf-8")
