"""Bootstrap ends with one champion, however often it is run, killed or run twice at once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
import retraining.__main__
from lifecycle.prediction_log import prediction_columns
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore
from retraining.__main__ import main
from retraining.bootstrap import bootstrap
from retraining.quality import measure
from retraining.settings import RetrainingSettings
from retraining.training import Trained
from tests.services.workshop import Workshop

Run = Callable[..., tuple[int, list[dict[str, object]]]]
SERVICES = Path(__file__).parents[3] / "services"
WRITES = 5
"""Model file, reference, manifest, champion, history."""
CHAMPION_WRITE = 4


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


def test_the_first_version_has_its_holdout_as_reference(
    store: ObjectStore, settings: RetrainingSettings, trained: Trained
) -> None:
    """The columns of the prediction log, its own outputs and the labels."""
    registry = ModelRegistry(store, "car-loan")
    bootstrap(registry, settings)
    reference = registry.reference(1)
    columns = prediction_columns(registry.manifest(1)).append(pa.field("label", pa.float64()))
    assert reference.schema.equals(columns)
    labels, outputs = (reference[name].to_numpy() for name in ("label", "output"))
    assert measure("binary", labels, outputs) == trained.metrics
    assert len(set(reference["prediction_id"].to_pylist())) == len(trained.holdout)
    classes = {(output >= 0.5, name) for output, name in zip(outputs, reference["predicted"].to_pylist(), strict=True)}
    assert classes == {(False, "not_repaid"), (True, "repaid")}


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
    died_done = at_write > CHAMPION_WRITE or (at_write == CHAMPION_WRITE and after)
    assert (outcome.champion, outcome.promoted) == (1, not died_done)
    assert registry.versions() == [1]
    assert registry.load(1).manifest.version == 1
    assert [move.version for move in registry.history()] == [1]


def test_runs_at_once_agree_on_one_champion(store: ObjectStore, settings: RetrainingSettings) -> None:
    """One version, whichever of them made it."""
    registry = ModelRegistry(store, "car-loan")
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda _: bootstrap(registry, settings), range(3)))
    assert {outcome.champion for outcome in outcomes} == {1}
    assert registry.versions() == [1]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_logging: None) -> Iterator[Run]:
    """Runs the command in this process, in an environment of its own; gives the exit status and the log."""
    del own_logging  # wanted for what it does
    handler = signal.getsignal(signal.SIGTERM)

    def run(**environment: str) -> tuple[int, list[dict[str, object]]]:
        for name in os.environ:
            if name.startswith(("MODEL_", "AWS_", "RETRAINING_")):
                monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        status = main(["bootstrap"])
        return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    yield run
    signal.signal(signal.SIGTERM, handler)


def test_a_wrong_configuration_is_one_line_and_exit_status_2(run: Run) -> None:
    """Nothing was tried."""
    status, lines = run(MODEL_NAME="car-loan", RETRAINING_THREADS="2")
    assert status == 2
    (line,) = lines
    assert line["event"] == "configuration_invalid"
    assert "MODEL_STORE_URL is missing" in str(line["problems"])


def test_missing_data_is_one_line_with_the_way_out_and_exit_status_1(
    run: Run, tmp_path: Path, workshop: Workshop
) -> None:
    """An expected failure has no traceback."""
    status, lines = run(
        MODEL_NAME="car-loan",
        MODEL_STORE_URL=f"file://{tmp_path}",
        RETRAINING_MODELS_FOLDER=str(workshop.models_folder),
        RETRAINING_DATA_FOLDER=str(tmp_path / "none"),
    )
    assert status == 1
    (line,) = lines
    assert line["event"] == "bootstrap_failed"
    assert line["cause"] == "ReferenceDataError"
    assert "get it with: python3 -m retraining.reference_data" in str(line["message"])


def test_an_unexpected_failure_is_one_line_without_its_text(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Type and place instead, and exit status 1."""

    def fail(*_: object) -> None:
        message = "a secret payload"
        raise RuntimeError(message)

    monkeypatch.setattr(retraining.__main__, "bootstrap", fail)
    status, (line,) = run(MODEL_NAME="car-loan", MODEL_STORE_URL="file:///tmp")
    assert status == 1
    assert (line["cause"], line["error_type"]) == ("unexpected", "RuntimeError")
    assert "secret" not in json.dumps(line)


@pytest.mark.engine  # a process of its own
def test_the_command_logs_its_way_as_json(tmp_path: Path, workshop: Workshop) -> None:
    """As a process: progress with elapsed and remaining time, the metrics, the end, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "retraining", "bootstrap"],
        cwd=SERVICES,
        env={
            "PATH": os.environ["PATH"],
            "MODEL_NAME": "car-loan",
            "MODEL_STORE_URL": f"file://{tmp_path}",
            "RETRAINING_MODELS_FOLDER": str(workshop.models_folder),
            "RETRAINING_DATA_FOLDER": str(workshop.data_folder),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    events = [line["event"] for line in lines]
    assert events[0] == "training_started"
    assert events[-3:] == ["training_done", "version_published", "champion_promoted"]
    progress = next(line for line in lines if line["event"] == "training_progress")
    assert {"rounds_done", "rounds", "elapsed_seconds", "rest_seconds"} <= progress.keys()
    assert {"auc", "log_loss", "brier"} <= lines[-3].keys()
