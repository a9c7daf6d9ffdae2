"""Bootstrap ends with one champion, however often it is run, killed or run twice at once."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore
from retraining.bootstrap import bootstrap
from retraining.settings import RetrainingSettings
from tests.services.workshop import Workshop

SERVICES = Path(__file__).parents[3] / "services"
WRITES = 3
"""Model file, manifest, champion."""


class Killed(BaseException):
    """The process died."""


class DyingStore(ObjectStore):
    """Dies at a write, right before or right after it."""

    def __init__(self, backend: obstore.store.ObjectStore, *, at_write: int, after: bool) -> None:
        """Args: the real store, which write is the last, and whether that one still happens."""
        super().__init__(backend)
        self._writes_left = at_write
        self._after = after

    def create(self, key: str, data: bytes) -> bool:
        """Writes, unless death comes first."""
        self._writes_left -= 1
        if self._writes_left == 0 and not self._after:
            raise Killed
        created = super().create(key, data)
        if self._writes_left == 0:
            raise Killed
        return created


@pytest.fixture
def settings(workshop: Workshop) -> RetrainingSettings:
    """The small recipe and data, one thread."""
    return RetrainingSettings(
        num_threads=1, models_folder=workshop.models_folder, data_folder=workshop.data_folder, store_patience_seconds=0
    )


def test_the_first_run_makes_version_1_and_promotes_it(store: ObjectStore, settings: RetrainingSettings) -> None:
    """What it wrote loads, and says how it was made."""
    registry = ModelRegistry(store, "car-loan")
    outcome = bootstrap(registry, settings)
    assert (outcome.champion, outcome.promoted) == (1, True)
    facts = registry.load(1).manifest.training
    assert facts.parent_version is None
    assert facts.code_version.startswith("sha256:")
    assert facts.rows + facts.holdout_rows == 2000
    assert facts.library_versions["lightgbm"]


def test_a_second_run_leaves_everything_as_it_is(store: ObjectStore, settings: RetrainingSettings) -> None:
    """It does not even train: data and recipe may be gone."""
    registry = ModelRegistry(store, "car-loan")
    bootstrap(registry, settings)
    outcome = bootstrap(registry, settings.model_copy(update={"data_folder": Path("/nonexistent")}))
    assert (outcome.champion, outcome.promoted) == (1, False)
    assert registry.versions() == [1]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at_write", range(1, WRITES + 1))
def test_a_run_killed_at_any_write_is_completed_by_the_next(
    backend: obstore.store.ObjectStore, settings: RetrainingSettings, at_write: int, *, after: bool
) -> None:
    """Version 1 it is, once, whole and champion."""
    with pytest.raises(Killed):
        bootstrap(ModelRegistry(DyingStore(backend, at_write=at_write, after=after), "car-loan"), settings)
    registry = ModelRegistry(ObjectStore(backend), "car-loan")
    outcome = bootstrap(registry, settings)
    died_done = at_write == WRITES and after
    assert (outcome.champion, outcome.promoted) == (1, not died_done)
    assert registry.versions() == [1]
    assert registry.load(1).manifest.version == 1


def test_runs_at_once_agree_on_one_champion(store: ObjectStore, settings: RetrainingSettings) -> None:
    """One version, whichever of them made it."""
    registry = ModelRegistry(store, "car-loan")
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda _: bootstrap(registry, settings), range(3)))
    assert {outcome.champion for outcome in outcomes} == {1}
    assert registry.versions() == [1]


def _run(arguments: list[str], **environment: str) -> tuple[int, list[dict[str, object]], str]:
    done = subprocess.run(
        [sys.executable, "-m", "retraining", *arguments],
        cwd=SERVICES,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_wrong_configuration_is_one_line_and_exit_status_2() -> None:
    """Nothing was tried."""
    status, lines, errors = _run(["bootstrap"], MODEL_NAME="car-loan", RETRAINING_THREADS="2")
    assert (status, errors) == (2, "")
    (line,) = lines
    assert line["event"] == "configuration_invalid"
    assert "MODEL_STORE_URL is missing" in str(line["problems"])


def test_the_command_logs_its_way_as_json(tmp_path: Path, workshop: Workshop) -> None:
    """Progress with elapsed and remaining time, the metrics, and the end."""
    status, lines, errors = _run(
        ["bootstrap"],
        MODEL_NAME="car-loan",
        MODEL_STORE_URL=f"file://{tmp_path}",
        RETRAINING_MODELS_FOLDER=str(workshop.models_folder),
        RETRAINING_DATA_FOLDER=str(workshop.data_folder),
    )
    assert (status, errors) == (0, "")
    events = [line["event"] for line in lines]
    assert events[0] == "training_started"
    assert events[-3:] == ["training_done", "version_published", "champion_promoted"]
    progress = next(line for line in lines if line["event"] == "training_progress")
    assert {"rounds_done", "rounds", "elapsed_seconds", "rest_seconds"} <= progress.keys()
    assert {"auc", "log_loss", "brier"} <= lines[-3].keys()


def test_missing_data_is_one_line_with_the_way_out_and_exit_status_1(tmp_path: Path, workshop: Workshop) -> None:
    """An expected failure has no traceback."""
    status, lines, errors = _run(
        ["bootstrap"],
        MODEL_NAME="car-loan",
        MODEL_STORE_URL=f"file://{tmp_path}",
        RETRAINING_MODELS_FOLDER=str(workshop.models_folder),
        RETRAINING_DATA_FOLDER=str(tmp_path / "none"),
    )
    assert (status, errors) == (1, "")
    (line,) = lines
    assert line["event"] == "bootstrap_failed"
    assert line["cause"] == "ReferenceDataError"
    assert "get it with: python3 -m retraining.reference_data" in str(line["message"])
