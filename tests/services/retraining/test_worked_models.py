"""The worked models go through the code that runs in the stack: a first version, its log, and a retraining."""

import io
import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from lifecycle.manifest import EVIDENCE_FILE_NAME, MODEL_CARD_FILE_NAME
from lifecycle.prediction_log import LABEL_COLUMNS, MOMENT, PredictionLog, hour_prefix, prediction_columns
from lifecycle.registry import ModelRegistry
from lifecycle.rollouts import Rollouts
from lifecycle.store import ObjectStore
from obstore.store import MemoryStore
from retraining.bootstrap import bootstrap
from retraining.dataset import Dataset
from retraining.evidence import Evidence
from retraining.recipe import read_recipe
from retraining.retrain import Retraining
from retraining.runs import Outcome, RunStore
from retraining.settings import RetrainingSettings
from retraining.source import own_dataset
from tests.services.retraining.conftest import BEGIN
from tests.services.workshop import MODELS

ROWS = 6000
"""Trained on first, and as many again logged: five hundred requests of the recommendation model."""


def _small(folder: Path, model: str, rows: int) -> Path:
    """The model's folder with fewer rows and rounds, and limits that such a model keeps to."""
    own = model.replace("-", "_")
    (folder / own).mkdir(parents=True)
    (folder / own / "generator.py").write_text((MODELS / own / "generator.py").read_text())
    recipe = (MODELS / own / "recipe.toml").read_text()
    recipe = re.sub(r"^rows = .*$", f"rows = {rows}", recipe, flags=re.MULTILINE)
    recipe = re.sub(r"^rounds = .*$", "rounds = 30", recipe, flags=re.MULTILINE)
    recipe = re.sub(r"^\[gates\]\n(.+\n)+", "", recipe, flags=re.MULTILINE)
    limits = "least_rows_of_a_class = 5\nslice_margin = 0.5\naverage_precision_margin = 0.5\nndcg_margin = 0.1\n"
    (folder / own / "recipe.toml").write_text(f"{recipe}\n[gates]\nrow_microseconds = 1e6\n{limits}")
    return folder


def _put(store: ObjectStore, key: str, table: pa.Table) -> None:
    file = io.BytesIO()
    pq.write_table(table, file)
    assert store.create(key, file.getvalue())


def _log(
    store: ObjectStore, registry: ModelRegistry, rows: Dataset, labelled: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> None:
    """Predictions as scoring logs them, the rows of one list as one request, and labels of some of them."""
    lists = np.arange(len(rows)) if rows.groups is None else rows.groups - rows.groups[0]
    place = np.arange(len(rows)) - np.searchsorted(lists, lists)
    ids = [f"{number:028x}{position:04x}" for number, position in zip(lists.tolist(), place.tolist(), strict=True)]
    moments = [BEGIN + timedelta(seconds=int(number)) * (3500 / (lists[-1] + 1)) for number in lists]
    count = len(rows)
    columns = [
        pa.array(ids), pa.array(moments, MOMENT), pa.repeat(pa.scalar(1, pa.int32()), count),
        pa.repeat("champion", count), pa.array(np.full(count, 0.5)), pa.nulls(count, pa.string()), *rows.table.columns,
    ]  # fmt: skip
    schema = prediction_columns(registry.manifest(1))
    _put(store, f"{hour_prefix(registry.model, 'predictions', BEGIN)}/a.parquet", pa.table(columns, schema=schema))
    known = np.flatnonzero(labelled).tolist()
    later = BEGIN + timedelta(hours=2)
    labels = {
        "prediction_id": [ids[row] for row in known],
        "time": pa.array([later] * len(known), MOMENT),
        "label": pa.array(rows.labels[known]),
    }
    _put(store, f"{hour_prefix(registry.model, 'labels', later)}/a.parquet", pa.table(labels, schema=LABEL_COLUMNS))


def _no_file(_: object) -> Path:
    raise AssertionError


@pytest.mark.parametrize("model", ["fraud-detection", "recommendation"])
def test_a_worked_model_is_made_logged_and_made_anew(model: str, tmp_path: Path) -> None:
    """A ranking is trained on the requests whose shown items have labels; the others of a request are left out."""
    store = ObjectStore(MemoryStore())
    registry = ModelRegistry(store, model)
    settings = RetrainingSettings(
        num_threads=1, models_folder=_small(tmp_path / "first", model, ROWS), data_folder=tmp_path / "none",
        store_patience_seconds=0, settle_seconds=0, window_days=1, run="run-1",
    )  # fmt: skip
    bootstrap(registry, settings)
    first = registry.manifest(1)
    assert (first.objective, first.guard is not None) == {
        "fraud-detection": ("binary", True),
        "recommendation": ("ranking", False),
    }[model]
    assert registry.reference(1)["label"].null_count == 0
    longer = _small(tmp_path / "longer", model, 2 * ROWS)
    stream = own_dataset(read_recipe(longer, model), longer, _no_file).slice(ROWS, 2 * ROWS)
    shown = np.arange(len(stream)) % 12 != 5 if model == "recommendation" else np.ones(len(stream), bool)
    _log(store, registry, stream, shown)
    # What the log holds is newer than the generator's own moments, which the champion was trained on.
    log, runs, rollouts = PredictionLog(store, model), RunStore(store, model), Rollouts(store, model)
    outcome: Outcome = Retraining(registry, log, runs, rollouts, settings).run()
    assert outcome.result == "promoted", (outcome.cause, outcome.message)
    assert outcome.figures["rows"] == shown.sum()
    evidence = Evidence.model_validate_json(registry.file(2, EVIDENCE_FILE_NAME, 1 << 20))
    (metric,) = [gate for gate in evidence.gates if gate.gate == "metric"]
    assert {"fraud-detection": "average precision", "recommendation": "NDCG"}[model] in metric.reason
    if model == "recommendation":
        (rows,) = [gate for gate in evidence.gates if gate.gate == "rows"]
        assert rows.figures == {"rows": 1100, "lists": pytest.approx(100, abs=5)}
    assert b"passed every gate" in registry.file(2, MODEL_CARD_FILE_NAME, 1 << 20)
