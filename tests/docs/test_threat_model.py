"""The threat model: every row names the tests that hold it, and they are there."""

import ast
import re
from collections.abc import Iterator

import pytest

from toolchain.paths import REPOSITORY

COLUMNS = ["who", "could", "what stands in the way", "what does not", "held by"]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[dict[str, str]]:
    """The table, by its columns."""
    text = (REPOSITORY / "docs" / "threat_model.md").read_text(encoding="utf-8")
    lines = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    head, rule, *body = [[cell.strip() for cell in line] for line in lines]
    assert head == COLUMNS
    assert set(rule) == {"---"}
    return [dict(zip(COLUMNS, line, strict=True)) for line in body]


def named() -> Iterator[tuple[str, str, str]]:
    """Every test that a row names: the row, the file and the function."""
    for row in rows():
        for file, function in _TEST.findall(row["held by"]):
            yield f"{row['who']}: {row['could']}", file, function


def test_every_row_names_a_test() -> None:
    """What nothing holds is a hope."""
    found = rows()
    assert len(found) > 12
    for row in found:
        assert row["what stands in the way"], row
        assert _TEST.search(row["held by"]), row
        # Nothing but tests stands there: what is misspelt would not be looked for.
        assert not _TEST.sub("", row["held by"]).replace("<br>", "").strip(), row


@pytest.mark.parametrize(("row", "file", "function"), list(named()))
def test_a_test_that_is_named_is_there(row: str, file: str, function: str) -> None:
    """A test that was renamed or taken away leaves its row without one."""
    path = REPOSITORY / file
    assert path.is_file(), f"{row}: {file}"
    functions = {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert function in functions, f"{row}: {file} has no {function}"


def test_images_install_what_is_locked_by_hash_and_nothing_else() -> None:
    """Nothing is resolved while an image is built, and nothing is built from source."""
    recipes = sorted(REPOSITORY.glob("services/*/Dockerfile"))
    assert len(recipes) > 2
    for recipe in recipes:
        text = recipe.read_text(encoding="utf-8").replace("\\\n", " ")
        installs = re.findall(r"pip install[^&\n]*", text)
        assert installs, recipe
        for line in installs:
            assert {"--no-deps", "--only-binary=:all:", "--require-hashes"} <= set(line.split()), (recipe, line)
        lock = (recipe.parent / "requirements.lock").read_text(encoding="utf-8")
        pinned = re.findall(r"^[\w.-]+(?:\[[\w,-]+\])?==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", lock, re.MULTILINE)
        assert len(pinned) == len(re.findall(r"^[\w.-]+(?:\[[\w,-]+\])?==", lock, re.MULTILINE)) > 0, recipe
