"""The table of tools: what it names exists, and is pinned."""

import re

import pytest

from toolchain.tools import MODULES, TOOLS, GoModule


@pytest.mark.parametrize("module", MODULES.values(), ids=lambda module: module.name)
def test_every_module_is_pinned_with_checksums(module: GoModule) -> None:
    """Each Go module has one version in its go.mod and, unless it needs no other module, a go.sum."""
    assert re.fullmatch(r"v\d+(\.\d+\.\d+)?", module.version)
    needs_others = "require" in (module.folder / "go.mod").read_text(encoding="utf-8")
    assert (module.folder / "go.sum").exists() == needs_others


def test_every_module_builds_a_tool() -> None:
    """No module is kept that nothing is built from."""
    assert {tool.source for tool in TOOLS.values()} >= set(MODULES)
