"""The hash of a build context changes with what gets into the image, and with nothing else."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from toolchain.doubles.docker_build.context import BuildContext


@pytest.fixture
def context(tmp_path: Path) -> BuildContext:
    """A context with a file that counts and one that does not."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("one")
    (tmp_path / "src" / "app.pyc").write_text("compiled")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / ".dockerignore").write_text("*\n!src\n**/*.pyc\n")
    return BuildContext(tmp_path, tmp_path / "Dockerfile")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda root: (root / "src" / "app.py").write_text("two"), id="content"),
        pytest.param(lambda root: (root / "src" / "new.py").touch(), id="new file"),
        pytest.param(lambda root: (root / "src" / "app.py").rename(root / "src" / "main.py"), id="name"),
        pytest.param(lambda root: (root / "src" / "app.py").chmod(0o755), id="executable"),
        pytest.param(lambda root: (root / "src" / "link").symlink_to("app.py"), id="link"),
        pytest.param(lambda root: (root / "Dockerfile").write_text("FROM scratch\nUSER 1\n"), id="Dockerfile"),
        pytest.param(lambda root: (root / ".dockerignore").write_text("*\n!src\n"), id="rules that let in more"),
    ],
)
def test_what_gets_into_the_image_counts(context: BuildContext, change: Callable[[Path], object]) -> None:
    """Each alone changes the hash."""
    before = context.hash()
    change(context.folder)
    assert context.hash() != before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda root: os.utime(root / "src" / "app.py", (1, 1)), id="time"),
        pytest.param(lambda root: (root / "src" / "app.py").chmod(0o600), id="who may read"),
        pytest.param(lambda root: (root / "src" / "app.pyc").write_text("other"), id="kept out"),
        pytest.param(lambda root: (root / "notes").touch(), id="not let in"),
    ],
)
def test_what_does_not_get_into_it_does_not(context: BuildContext, change: Callable[[Path], object]) -> None:
    """A fresh checkout, or a test run in between, builds nothing."""
    before = context.hash()
    change(context.folder)
    assert context.hash() == before
