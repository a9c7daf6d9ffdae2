"""A model that serves, and a log of what it was asked with the truth, for challengers to be trained on."""

import io
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import obstore
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from lifecycle.manifest import Manifest
from lifecycle.prediction_log import LABEL_COLUMNS, MOMENT, PredictionLog, hour_prefix, prediction_columns
from lifecycle.registry import ModelRegistry
from lifecycle.rollouts import Rollouts
from lifecycle.store import ObjectStore
from obstore.store import MemoryStore
from retraining.bootstrap import bootstrap
from retraining.dataset import Dataset, read_dataset
from retraining.recipe import read_recipe
from retraining.retrain import Retraining
from retraining.runs import Outcome, RunStore
from retraining.settings import RetrainingSettings
from tests.services.workshop import Workshop

BEGIN = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=4)
"""Of the log: labelled predictions of three hours, the last of them an hour old."""

ROWS = 3000
_ROUNDS = 40
_GATES = """
[gates]
least_rows = 300
resamples = 100
auc_margin = 0.02
slice_margin = 0.05
calibration_error_limit = 0.15
row_microseconds = 1e6
"""
"""What a small model keeps to, on a machine that does other things too."""


@dataclass
class World:
    """One model's stores, as a run finds them."""

    backend: obstore.store.ObjectStore
    settings: RetrainingSettings
    rows: Dataset
    """What the log holds."""
    wait: Callable[[float], None] = time.sleep
    """What passes the time of runs."""

    @property
    def store(self) -> ObjectStore:
        """Where models and predictions are."""
        return ObjectStore(self.backend)

    @property
    def registry(self) -> ModelRegistry:
        """The model's versions."""
        return ModelRegistry(self.store, "car-loan")

    @property
    def rollouts(self) -> Rollouts:
        """Its rollouts."""
        return Rollouts(self.store, "car-loan")

    @property
    def log(self) -> PredictionLog:
        """What was predicted."""
        return PredictionLog(self.store, "car-loan")

    @property
    def runs(self) -> RunStore:
        """What is kept of runs."""
        return RunStore(self.store, "car-loan")

    def retrain(self, store: ObjectStore | None = None, **settings: object) -> Outcome:
        """One attempt at a run, in a store of the test's own where one is given."""
        chosen = store or self.store
        log = PredictionLog(chosen, "car-loan")
        given = self.settings.model_copy(update=settings)
        runs, rollouts = RunStore(chosen, "car-loan"), Rollouts(chosen, "car-loan")
        return Retraining(ModelRegistry(chosen, "car-loan"), log, runs, rollouts, given, self.wait).run()

    def champion(self) -> int:
        """The version that serves."""
        champion = self.registry.champion()
        assert champion is not None
        return champion.version

    def serve(self) -> None:
        """Writes what was predicted."""
        write_predictions(self.store, self.registry.manifest(1), self.rows)

    def label(self, labels: Sequence[tuple[int, float]] | None = None, part: str = "a") -> None:
        """Writes what turned out to be true: all of it, unless labels for rows are given."""
        given = list(enumerate(self.rows.labels)) if labels is None else list(labels)
        start = BEGIN + timedelta(hours=3)
        table = pa.table(
            {
                "prediction_id": [row_id(row) for row, _ in given],
                "time": pa.array([start + timedelta(milliseconds=n) for n in range(len(given))], MOMENT),
                "label": pa.array([label for _, label in given], pa.float64()),
            },
            schema=LABEL_COLUMNS,
        )
        put(self.store, f"{hour_prefix('car-loan', 'labels', start)}/{part}.parquet", table)


def row_id(row: int) -> str:
    """The id of the prediction for a row."""
    return f"{row:032x}"


def put(store: ObjectStore, key: str, table: pa.Table) -> None:
    """Writes a part."""
    file = io.BytesIO()
    pq.write_table(table, file)
    assert store.create(key, file.getvalue())


def write_predictions(store: ObjectStore, manifest: Manifest, rows: Dataset) -> None:
    """Rows as scoring logs them, over three hours, one part an hour."""
    step = timedelta(hours=3) / len(rows)
    moments = [BEGIN + step * n for n in range(len(rows))]
    for hour in range(3):
        place = slice(hour * len(rows) // 3, (hour + 1) * len(rows) // 3)
        count = place.stop - place.start
        columns = [
            pa.array([row_id(n) for n in range(place.start, place.stop)]),
            pa.array(moments[place], MOMENT),
            pa.repeat(pa.scalar(1, pa.int32()), count),
            pa.repeat("champion", count),
            pa.array(np.full(count, 0.5)),
            pa.repeat("repaid", count),
            *rows.table.slice(place.start, count).columns,
        ]
        prefix = hour_prefix("car-loan", "predictions", BEGIN + timedelta(hours=hour))
        put(store, f"{prefix}/a.parquet", pa.table(columns, schema=prediction_columns(manifest)))


@pytest.fixture(scope="session")
def later_rows(workshop: Workshop, reference_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The rows that follow those of the small model."""
    begin = 1 + len(workshop.dataset)
    with reference_csv.open() as file:
        lines = file.readlines()[: begin + ROWS]
    path = tmp_path_factory.mktemp("later") / reference_csv.name
    path.write_text("".join([lines[0], *lines[begin:]]))
    return read_dataset(path, workshop.recipe)


@pytest.fixture(scope="session")
def small_settings(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> RetrainingSettings:
    """The small recipe with limits that its models keep to."""
    models = tmp_path_factory.mktemp("small")
    (models / "car_loan").mkdir()
    recipe = (workshop.models_folder / "car_loan/recipe.toml").read_text()
    recipe = re.sub(r"^rounds = \d+.*$", f"rounds = {_ROUNDS}", recipe, flags=re.MULTILINE)
    recipe = re.sub(r"^learning_rate = .*$", "learning_rate = 0.1", recipe, flags=re.MULTILINE)
    (models / "car_loan/recipe.toml").write_text(recipe + _GATES)
    assert read_recipe(models, "car-loan").rounds == _ROUNDS
    return RetrainingSettings(
        num_threads=1,
        models_folder=models,
        data_folder=workshop.data_folder,
        store_patience_seconds=0,
        settle_seconds=0,
        window_days=1,
        run="run-1",
        job="retraining-car-loan-1",
    )


@pytest.fixture(scope="session")
def _served(small_settings: RetrainingSettings, later_rows: Dataset) -> dict[str, bytes]:
    """Everything in the store once version 1 serves and the log is full, by key; made once."""
    world = World(MemoryStore(), small_settings, later_rows)
    bootstrap(world.registry, small_settings)
    world.serve()
    return {object_.key: bytes(obstore.get(world.backend, object_.key).bytes()) for object_ in world.store.list("")}


@pytest.fixture
def new_world(
    _served: dict[str, bytes], small_settings: RetrainingSettings, later_rows: Dataset
) -> Callable[[], World]:
    """Makes worlds with predictions and no labels yet."""

    def make() -> World:
        backend = MemoryStore()
        for key, data in _served.items():
            obstore.put(backend, key, data)
        return World(backend, small_settings, later_rows)

    return make


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    """Predictions and no labels yet."""
    return new_world()
