"""A run's process is killed by the kernel at each of its steps, and another one takes the run up."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from lifecycle.registry import ModelRegistry
from obstore.store import LocalStore
from retraining.settings import RetrainingSettings
from tests.services.retraining.conftest import World

pytestmark = pytest.mark.engine

SERVICES = Path(__file__).parents[3] / "services"
STEPS = {
    "download": "run_started",
    "train": "training_started",
    "in the middle of training": "training_progress",
    "validate": "training_done",
    "write": "version_published",
    "promote": "gate",
    "finish": "run_ended",
}
"""What is under way once the log says so."""


def _command(folder: Path, settings: RetrainingSettings) -> tuple[list[str], dict[str, str]]:
    """A run as Kubernetes starts it, and its environment."""
    environment = {
        "PATH": os.environ["PATH"],
        "MODEL_NAME": "car-loan",
        "MODEL_STORE_URL": f"file://{folder}",
        "PREDICTION_STORE_URL": f"file://{folder}",
        "RETRAINING_MODELS_FOLDER": str(settings.models_folder),
        "RETRAINING_NUM_THREADS": "1",
        "RETRAINING_SETTLE_SECONDS": "0",
        "RETRAINING_RUN": "run-1",
        "RETRAINING_TRIGGER": "alert",
    }
    return [sys.executable, "-m", "retraining", "retrain"], environment


def _on_disk(world: World, folder: Path) -> World:
    """The same world where another process finds it."""
    there = replace(world, backend=LocalStore(folder, mkdir=True))
    for object_ in world.store.list(""):
        blob = world.store.get(object_.key, limit_bytes=object_.size_bytes)
        assert blob is not None
        there.store.create(object_.key, blob.data)
    return there


@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_at_any_step_is_followed_by_one_that_ends_the_run(
    world: World, tmp_path: Path, step: str
) -> None:
    """One promotion, one new version, and never half of one; the log says why where it ended."""
    world.label()
    there = _on_disk(world, tmp_path / "store")
    command, environment = _command(tmp_path / "store", world.settings)
    process = subprocess.Popen(command, cwd=SERVICES, env=environment, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == STEPS[step]:
                break
        process.send_signal(signal.SIGKILL)
    registry = ModelRegistry(there.store, "car-loan")
    assert all(registry.load(version) for version in registry.versions())
    done = subprocess.run(
        command, cwd=SERVICES, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    outcome = there.runs.outcome("run-1")
    assert outcome is not None
    assert (outcome.result, outcome.version) == ("promoted", 2)
    assert registry.versions() == [1, 2]
    assert [(move.version, move.previous, move.actor) for move in registry.history()] == [
        (1, None, "bootstrap"),
        (2, 1, "retraining/alert"),
    ]
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] in {"run_ended", "run_ended_before"}


@pytest.mark.parametrize(
    ("change", "status", "event"),
    [
        ({"RETRAINING_MODELS_FOLDER": "/nonexistent"}, 2, "run_ended"),
        ({"RETRAINING_WINDOW": "3"}, 2, "configuration_invalid"),
        ({"PREDICTION_STORE_URL": None}, 2, "configuration_invalid"),
        ({"MODEL_NAME": "nobody"}, 0, "run_ended"),
    ],
    ids=["no-recipe", "unknown-setting", "no-predictions-store", "no-champion"],
)
def test_the_exit_status_says_whether_another_attempt_could_help(
    world: World, tmp_path: Path, change: dict[str, str | None], status: int, event: str
) -> None:
    """2 could not, so that Kubernetes fails the Job at once; a refusal is an answer."""
    _on_disk(world, tmp_path / "store")
    command, environment = _command(tmp_path / "store", world.settings)
    changed = {name: value for name, value in {**environment, **change}.items() if value is not None}
    done = subprocess.run(command, cwd=SERVICES, env=changed, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status, done.stdout
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == event
    assert not re.search("Traceback", done.stdout + done.stderr)
