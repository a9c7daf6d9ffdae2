"""Every environment in full, for people to read: a change of infrastructure shows in the diff of a pull request.

`UPDATE_SNAPSHOTS=1 pytest tests/infra/test_snapshot.py` writes it anew.
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.harness import ENVIRONMENTS, ROOT, Environments, Json, Rendered, Secret

SNAPSHOTS = Path(__file__).parent / "snapshots"
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


@pytest.mark.parametrize("name", ["local", *ENVIRONMENTS])
def test_an_environment_is_what_was_last_reviewed(name: str, local: Rendered, environment: Environments) -> None:
    """Whoever changes a stack sees, and shows, what became of it."""
    file = SNAPSHOTS / f"{name}.yaml"
    # An image's tag changes with any line of a service, which is no change of infrastructure.
    current = re.sub(
        r"(amazonaws\.com/[\w/-]+):[0-9a-f]{16}", r"\1:[content]", snapshot(rendered(name, local, environment))
    )
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.write_text(current, encoding="utf-8")
    assert current == file.read_text(encoding="utf-8")


def rendered(name: str, local: Rendered, environment: Environments) -> Rendered:
    """The stack of this name."""
    return local if name == "local" else environment(name)


def test_every_environment_has_a_snapshot_and_every_snapshot_an_environment() -> None:
    """A new environment's file is enough: it is rendered, and what it renders to is reviewed."""
    files = {file.name.split(".")[1] for file in ROOT.glob("Pulumi.*.yaml")}
    assert {file.stem for file in SNAPSHOTS.glob("*.yaml")} == files
