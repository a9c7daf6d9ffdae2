""".dockerignore is read as Docker reads it."""

from pathlib import Path

import pytest

from toolchain.doubles.docker_build.ignore import Ignore, files, ignore_file


@pytest.mark.parametrize(
    ("rules", "path", "excluded"),
    [
        ("", "a", False),
        ("a", "a", True),
        ("a", "b/a", False),
        ("a", "a/b/c", True),
        ("/a/", "a/b", True),
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "docs/deep/README.md", True),
        ("**/*.md", "README.md", True),
        ("*/temp*", "a/temporary", True),
        ("temp?", "temps", True),
        ("temp?", "temp", False),
        ("[ab].txt", "b.txt", True),
        ("# a comment\n\n", "a comment", False),
        ("*\n!services", "services/scoring/app.py", False),
        ("*\n!services", "infra/app.py", True),
        ("*\n!services\n**/__pycache__", "services/scoring/__pycache__/app.pyc", True),
        ("*.md\n!README.md", "README.md", False),
        ("!README.md\n*.md", "README.md", True),
        ("a/**", "a/b/c", True),
        ("a.c", "abc", False),
    ],
)
def test_the_last_pattern_that_fits_wins(rules: str, path: str, excluded: bool) -> None:  # noqa: FBT001
    """From the root of the context, for a path or any folder above it."""
    assert Ignore(rules).excludes(path) is excluded


@pytest.mark.parametrize(
    ("rules", "folder", "expected"),
    [
        ("*\n!services", ".venv", False),
        ("*\n!services", "services", True),
        ("*\n!models/car_loan/schema.json", "models/car_loan", True),
        ("*\n!models/car_loan/schema.json", "models/other", False),
        ("*\n!**/keep", "anything/deep", True),
    ],
)
def test_a_folder_is_looked_through_only_where_something_in_it_may_count(
    rules: str,
    folder: str,
    expected: bool,  # noqa: FBT001
) -> None:
    """A virtual environment has tens of thousands of files."""
    assert Ignore(rules).may_admit_below(folder) is expected


def test_files_are_listed_in_order(tmp_path: Path) -> None:
    """So that their hash does not depend on the file system."""
    for name in ("b/2", "b/1", "a", "out/x", "out/keep/y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("b")
    assert list(files(tmp_path, Ignore("out\n!out/keep"))) == ["a", "b/1", "b/2", "link", "out/keep/y"]


def test_a_dockerfiles_own_rules_come_before_the_contexts(tmp_path: Path) -> None:
    """As builders look for them."""
    dockerfile = tmp_path / "services" / "Dockerfile"
    assert ignore_file(tmp_path, dockerfile) is None
    (tmp_path / ".dockerignore").touch()
    assert ignore_file(tmp_path, dockerfile) == tmp_path / ".dockerignore"
    dockerfile.parent.mkdir()
    (dockerfile.parent / "Dockerfile.dockerignore").touch()
    assert ignore_file(tmp_path, dockerfile) == dockerfile.parent / "Dockerfile.dockerignore"
