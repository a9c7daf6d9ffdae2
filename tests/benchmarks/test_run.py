"""The benchmark runs: with the contestants that need no packages beside those of this checkout."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.serving.contestants import BARE_ASGI, C_CALL, SCORING

pytestmark = pytest.mark.engine  # it starts servers, pins them to a core and loads them

REPOSITORY = Path(__file__).parents[2]
# A process of its own, for it binds itself to a core and ends all its children. No environments are made: this one has
# what these contestants want.
SCRIPT = """
import json, sys
from pathlib import Path
from benchmarks.serving import environments
environments.BUILD = Path(sys.argv[1])
environments.python_of = lambda _name: Path(sys.executable)
environments.make = lambda _name: None
from benchmarks.serving import report
from benchmarks.serving.__main__ import Benchmark
from benchmarks.serving.contestants import CONTESTANTS
from benchmarks.serving.processes import all_ended
with all_ended():
    details = Benchmark([CONTESTANTS[name] for name in sys.argv[2:]], rounds=1, seconds=1).run()
(environments.BUILD / "details.json").write_text(json.dumps(details))
"""


def test_a_short_run_measures_what_it_is_asked_to(tmp_path: Path) -> None:
    """Every contestant answers as `Booster.predict` does, without an error, and leaves no process behind."""
    names = [contestant.name for contestant in (BARE_ASGI, C_CALL, *SCORING)]
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), *names]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    details = json.loads((tmp_path / "details.json").read_text())
    for found in (details, details["batch"]):
        assert {name: found[name]["errors"] for name in names} == dict.fromkeys(names, 0)
        assert all(found[name]["requests_per_second"] > 0 for name in names)
    assert details["work"]["work_us"] > details["work"]["c_call_us"] > 0
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("bench-")]
