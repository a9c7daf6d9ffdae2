"""Getting tools when things go wrong: killed half-way, twice at once, no network, no space, a damaged file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine

_INSTALL = (
    "import sys; from toolchain.cli import run; from toolchain.install import install; "
    "run(lambda: print(install(sys.argv[1:])))"
)


def _start(cache: Path, *names: str, **variables: str) -> subprocess.Popen[str]:
    """Begin to install tools into a cache of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", _INSTALL, *names],
        env={**os.environ, "REALTIME_ML_CACHE": str(cache), "PATH": os.defpath + ":" + os.environ["PATH"], **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for it; what it ended with, and all that it said."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out + err


def _visible(cache: Path) -> list[Path]:
    return [path for path in cache.glob("tools/pause/*/pause") if os.access(path, os.X_OK)]


def test_a_tool_is_built_once_by_two_runs_at_once(tmp_path: Path) -> None:
    """The second waits for the first, says so, and finds the tool there."""
    first, second = _start(tmp_path, "pause"), _start(tmp_path, "pause")
    ends = [_finish(first), _finish(second)]
    assert [code for code, _ in ends] == [0, 0], ends
    assert sum("+ building pause" in said for _, said in ends) == 1
    assert sum("another run is installing" in said for _, said in ends) == 1
    assert len(_visible(tmp_path)) == 1


def test_a_killed_run_leaves_nothing_half_made_and_the_next_one_finishes(tmp_path: Path) -> None:
    """Killed while Go compiles, no file of the tool is seen; another run makes it."""
    run = _start(tmp_path, "pause")
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("tools/pause/*/.new-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert _visible(tmp_path) == []
    code, said = _finish(_start(tmp_path, "pause"))
    assert code == 0, said
    assert len(_visible(tmp_path)) == 1


def test_a_damaged_tool_is_refused_once_and_then_made_anew(tmp_path: Path) -> None:
    """A tool that is not what was built is never run."""
    assert _finish(_start(tmp_path, "pause"))[0] == 0
    (tool,) = _visible(tmp_path)
    tool.write_bytes(tool.read_bytes() + b"\0")
    code, said = _finish(_start(tmp_path, "pause"))
    assert code == 1
    assert "SHA-256" in said
    assert "made anew" in said
    assert _finish(_start(tmp_path, "pause"))[0] == 0


def test_a_registry_that_is_away_is_named_with_the_way_out(tmp_path: Path) -> None:
    """No trace: the step, the cause, and that a second run goes on."""
    code, said = _finish(_start(tmp_path, "versitygw", GOPROXY="http://127.0.0.1:1", GOFLAGS=""))
    assert code == 1
    assert "building versitygw" in said
    assert "connection" in said
    assert "run it again: it goes on from here" in said
    assert "Traceback" not in said


def test_a_full_disk_is_named_with_the_way_out(tmp_path: Path) -> None:
    """On a file system of 4 MiB; given room, the next run goes on in the same cache."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", tmp_path], check=True)
    try:
        code, said = _finish(_start(tmp_path, "pause"))
        assert code == 1
        assert "building pause" in said
        assert "the disk is full" in said
        assert "Traceback" not in said
        subprocess.run(["mount", "-o", "remount,size=600m", tmp_path], check=True)
        assert _finish(_start(tmp_path, "pause"))[0] == 0
    finally:
        subprocess.run(["umount", tmp_path], check=True)
