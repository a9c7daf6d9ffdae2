"""The stand-ins come on PATH as executables under the official names."""

import subprocess
import sys
from pathlib import Path

import pytest

from toolchain.doubles.launchers import MODULES, install


@pytest.mark.engine  # a process of its own
def test_a_launcher_runs_its_stand_in_from_any_folder(tmp_path: Path) -> None:
    """Even where the folder of the person's project has modules of the same names."""
    install(tmp_path / "bin", Path(sys.executable), MODULES)
    project = tmp_path / "project"
    project.mkdir()
    (project / "toolchain.py").write_text("raise SystemExit('shadowed')")
    for name in MODULES:
        done = subprocess.run([tmp_path / "bin" / name], cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "the pulumi CLI starts it" in done.stderr, "started by a person, it says what it is"


def test_a_launcher_that_is_right_is_left_alone(tmp_path: Path) -> None:
    """So that a CLI that runs meanwhile does not see it change."""
    name = "pulumi-language-python"
    install(tmp_path, Path(sys.executable), [name])
    before = (tmp_path / name).stat().st_mtime_ns
    install(tmp_path, Path(sys.executable), [name])
    assert (tmp_path / name).stat().st_mtime_ns == before
    install(tmp_path, Path("/elsewhere/python with space"), [name])
    assert "'/elsewhere/python with space'" in (tmp_path / name).read_text()
    assert [path.name for path in tmp_path.iterdir()] == [name], "no partial file stays"


def test_a_plugin_without_a_stand_in_is_refused(tmp_path: Path) -> None:
    """The error names those that have one."""
    with pytest.raises(ValueError, match=r"pulumi-resource-gcp.*pulumi-resource-kubernetes"):
        install(tmp_path, Path(sys.executable), ["pulumi-resource-gcp"])
