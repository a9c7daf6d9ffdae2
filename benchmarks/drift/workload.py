"""A model with thirty features, its reference, and a day of traffic with labels, as training and scoring leave them."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.manifest import Manifest, ModelFile, ParityRow, TimeWindow, TrainingFacts
from lifecycle.prediction_log import LABEL_COLUMNS, MOMENT, hour_prefix
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore
from obstore.store import LocalStore

from benchmarks.columns import CATEGORICAL, NUMERIC, WORDS, schema

MODEL: Final = "bench"
REFERENCE_ROWS: Final = 50_000
CHUNK_ROWS: Final = 5000
HOURS: Final = 24
PARTS_AN_HOUR: Final = 4

Table = Any
"""A pyarrow Table."""

SCHEMA: Final = schema(6.0)


def table(rows: int, seed: int, start: datetime, seconds: float) -> Table:
    """Predictions of so many seconds with their features and, as `label`, what came to be true of them."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(len(NUMERIC), rows))
    output = 1 / (1 + np.exp(-numbers[:4].sum(axis=0)))
    moments = np.datetime64(start.replace(tzinfo=None), "us") + (
        np.sort(random.uniform(0, seconds * 1e6, rows)).astype("timedelta64[us]")
    )
    words = pa.array(WORDS)
    return pa.table(
        {
            "prediction_id": [f"{seed:08x}{place:024x}" for place in range(rows)],
            "time": pa.array(moments).cast(pa.timestamp("us")).cast(MOMENT),
            "version": pa.array(np.ones(rows, np.int32)),
            "role": pa.array(["champion"]).take(pa.array(np.zeros(rows, np.int64))),
            "output": output,
            "predicted": pa.nulls(rows, pa.string()),
            **{f"feature.{name}": column for name, column in zip(NUMERIC, numbers, strict=True)},
            **{f"feature.{name}": words.take(pa.array(random.integers(len(WORDS), size=rows))) for name in CATEGORICAL},
            "label": (random.uniform(size=rows) < output).astype(float),
        }
    )


def reference() -> Table:
    """What the model was tried on before it was promoted."""
    return table(REFERENCE_ROWS, 0, _start(), 3600)


def traffic(rows: int) -> Iterator[Table]:
    """The rows hour by hour, each hour the same in every run."""
    for hour in range(HOURS):
        count = rows * (hour + 1) // HOURS - rows * hour // HOURS
        yield table(count, hour + 1, _start() + timedelta(hours=hour), 3600)


def manifest(file: ModelFile) -> Manifest:
    """Of the one version that there is."""
    window = TimeWindow(start=_start() - timedelta(days=20), end=_start() - timedelta(days=10))
    training = TrainingFacts(
        rows=1, window=window, holdout_rows=1, holdout_window=window, data_sha256="0" * 64, seed=1, parameters={},
        metrics={"auc": 0.9}, code_version="bench", library_versions={}, created_at=_start() - timedelta(hours=1),
        parent_version=None,
    )  # fmt: skip
    parity = ParityRow(features=dict.fromkeys(SCHEMA.names), outputs=((0.5).hex(),))
    return Manifest(
        model=MODEL, version=1, objective="binary", file=file, feature_schema=SCHEMA, classes=("no", "yes"),
        threshold=0.5, training=training, parity=(parity,),
    )  # fmt: skip


def write(folder: Path, rows: int) -> None:
    """The registry and the log of so many rows, in one store."""
    registry = ModelRegistry(ObjectStore(LocalStore(folder, mkdir=True)), MODEL)
    files = {"reference.parquet": _parquet(reference())}
    made = registry.publish(b"model", lambda _version, file: manifest(file), lambda _version: files)
    registry.promote(made.version, replacing=None)
    for part in traffic(rows):
        hour = part["time"][0].as_py().replace(minute=0, second=0, microsecond=0)
        labels = pa.table([part["prediction_id"], part["time"], part["label"]], schema=LABEL_COLUMNS)
        _write(folder / hour_prefix(MODEL, "labels", hour) / "part-0.parquet", labels)
        predictions = part.drop_columns(["label"])
        size = -(-part.num_rows // PARTS_AN_HOUR)
        for place in range(PARTS_AN_HOUR):
            path = folder / hour_prefix(MODEL, "predictions", hour) / f"part-{place}.parquet"
            _write(path, predictions.slice(place * size, size))


def _start() -> datetime:
    """Of the traffic: a whole day that is over."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)


def _parquet(rows: Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(rows, sink)
    return sink.getvalue()


def _write(path: Path, rows: Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_parquet(rows))
