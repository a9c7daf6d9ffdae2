"""What the language host decides before and after a program runs."""

import sys
from pathlib import Path

import pytest
from pulumi.runtime.proto import language_pb2

from toolchain.doubles.errors import RefusedError
from toolchain.doubles.language_host import install_commands, interpreter, outcome
from toolchain.doubles.language_program import EXIT_FAILURE_SHOWN, readable_trace


def _info(root: Path, **options: str) -> language_pb2.ProgramInfo:
    info = language_pb2.ProgramInfo(root_directory=str(root), program_directory=str(root))
    info.options.update(options)
    return info


def test_the_virtual_environment_is_found_beside_the_project_file(tmp_path: Path) -> None:
    """Not in the folder of the program, which `main` may put elsewhere."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert interpreter(_info(tmp_path, virtualenv=".venv", toolchain="pip")) == str(python)


def test_a_missing_virtual_environment_names_the_setting_and_the_way_out(tmp_path: Path) -> None:
    """The message names Pulumi.yaml's option, its value and the command that makes it."""
    with pytest.raises(RefusedError, match=r"options\.virtualenv .* '\.venv'.*pulumi install"):
        interpreter(_info(tmp_path, virtualenv=".venv"))


def test_another_tool_chain_is_refused(tmp_path: Path) -> None:
    """Rather than run with the wrong interpreter."""
    with pytest.raises(RefusedError, match="'uv'"):
        interpreter(_info(tmp_path, toolchain="uv"))


def test_without_a_virtual_environment_python_comes_from_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an activated environment puts it there."""
    monkeypatch.delenv("PULUMI_PYTHON_CMD", raising=False)
    python = tmp_path / "python3"
    python.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert interpreter(_info(tmp_path)) == str(python)


def test_install_makes_the_environment_and_then_fills_it(tmp_path: Path) -> None:
    """Requirements beside Pulumi.yaml count where the program's folder has none."""
    (tmp_path / "requirements.txt").touch()
    program = tmp_path / "infra"
    program.mkdir()
    commands = install_commands(_info(tmp_path, virtualenv=".venv"), str(program))
    python = str(tmp_path / ".venv" / "bin" / "python")
    assert commands == [
        [sys.executable, "-m", "venv", str(tmp_path / ".venv")],
        [python, "-m", "pip", "install", "-r", str(tmp_path / "requirements.txt")],
    ]


@pytest.mark.parametrize(
    ("exit_code", "error", "bail"),
    [
        (0, "", False),
        (EXIT_FAILURE_SHOWN, "", True),
        (3, "the program exited with code 3", False),
        (-9, "the program was killed by SIGKILL", False),
    ],
)
def test_the_exit_code_tells_how_the_program_ended(exit_code: int, error: str, bail: bool) -> None:  # noqa: FBT001
    """A failure that was shown already is not told again."""
    answer = outcome(exit_code)
    assert (answer.error, answer.bail) == (error, bail)


def test_a_trace_starts_with_the_program(tmp_path: Path) -> None:
    """Frames of what ran it are left out."""
    program = tmp_path / "__main__.py"
    program.write_text("def explode():\n    raise ValueError('boom')\n\nexplode()\n")
    with pytest.raises(ValueError, match="boom") as caught:
        exec(compile(program.read_text(), str(program), "exec"), {})  # noqa: S102 - written above
    trace = readable_trace(caught.value, tmp_path)
    assert "test_language_host.py" not in trace
    assert trace.splitlines()[1].strip() == f'File "{program}", line 4, in <module>'
    assert trace.endswith("ValueError: boom")


def test_a_trace_without_a_frame_of_the_program_is_whole(tmp_path: Path) -> None:
    """As when its file does not parse."""
    with pytest.raises(ValueError, match="boom") as caught:
        raise ValueError("boom")
    assert "test_language_host.py" in readable_trace(caught.value, tmp_path)
