"""A model in a registry and its traffic in a log, both in one folder, as training and scoring leave them."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
from drift.evaluation import evaluate
from drift.outcome import Outcome
from drift.results import Results
from drift.settings import DriftSettings
from lifecycle.features import BooleanFeature, CategoricalFeature, FeatureSchema, NumericFeature
from lifecycle.manifest import Manifest, ModelFile, Objective, ParityRow, TimeWindow, TrainingFacts
from lifecycle.prediction_log import LABEL_COLUMNS, MOMENT, hour_prefix, prediction_columns
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore
from obstore.store import LocalStore

MODEL = "loans"
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
"""Of the traffic: long enough ago for chunks to be closed."""

SCHEMA = FeatureSchema(
    features=(
        NumericFeature(name="age", nullable=True, minimum=-10.0, maximum=10.0),
        NumericFeature(name="income", nullable=True, minimum=-10.0, maximum=10.0),
        CategoricalFeature(name="colour", nullable=True, categories=("blue", "green", "red")),
        BooleanFeature(name="owner", nullable=True),
    )
)
_CLASSES = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": (), "ranking": ()}
_ROW: dict[str, float | str | bool | None] = {"age": 0.0, "income": 0.0, "colour": "red", "owner": True}


def manifest(
    version: int, file: ModelFile, objective: Objective = "binary", schema: FeatureSchema = SCHEMA
) -> Manifest:
    """Of a version made just before the traffic began."""
    window = TimeWindow(start=START - timedelta(days=20), end=START - timedelta(days=10))
    return Manifest(
        model=MODEL,
        version=version,
        objective=objective,
        file=file,
        feature_schema=schema,
        classes=_CLASSES[objective],
        threshold=0.5 if objective == "binary" else None,
        training=TrainingFacts(
            rows=1,
            window=window,
            holdout_rows=1,
            holdout_window=window,
            data_sha256="0" * 64,
            seed=1,
            parameters={},
            metrics={"auc": 0.9},
            code_version="test",
            library_versions={},
            created_at=START - timedelta(hours=1),
            parent_version=None,
        ),
        parity=(
            ParityRow(
                features=_ROW if schema is SCHEMA else dict.fromkeys(schema.names),
                outputs=((0.5).hex(),) * (3 if objective == "multiclass" else 1),
            ),
        ),
    )


def rows(count: int, seed: int = 0, *, objective: Objective = "binary", version: int = 1) -> Any:  # noqa: ANN401 - a table
    """Rows with the columns of the log and `label`: the output tells the label, the features do as well."""
    random = np.random.default_rng(seed)
    age, income = random.normal(size=(2, count))
    score = age + income
    output: Any = 1 / (1 + np.exp(-score))
    label = (random.uniform(size=count) < output).astype(float)
    if objective == "multiclass":
        weights = np.exp(np.stack([age, income, np.zeros(count)], axis=1))
        shares = weights / weights.sum(axis=1, keepdims=True)
        output = pa.array(list(shares))
        label = (shares.cumsum(axis=1) < random.uniform(size=(count, 1))).sum(axis=1).clip(max=2).astype(float)
    elif objective == "regression":
        output, label = score, score + random.normal(size=count)
    return pa.table(
        {
            "prediction_id": [random.bytes(16).hex() for _ in range(count)],
            "time": pa.array([START + timedelta(seconds=place) for place in range(count)], MOMENT),
            "version": pa.array([version] * count, pa.int32()),
            "role": ["champion"] * count,
            "output": output,
            "predicted": pa.nulls(count, pa.string()),
            "feature.age": age,
            "feature.income": income,
            "feature.colour": random.choice(["blue", "green", "red"], count),
            "feature.owner": random.uniform(size=count) < 0.5,
            "label": label,
        }
    )


def shifted(table: Any, column: str, values: Any, start: int = 0) -> Any:  # noqa: ANN401 - tables and arrays
    """The table with other values of a column, from a row on where values of the same type are given."""
    place = table.column_names.index(column)
    if start:
        values = pa.concat_arrays([table[column].combine_chunks()[:start], values])
    return table.set_column(place, column, values)


@dataclass
class Replay:
    """The stores of a test."""

    folder: Path
    objective: Objective = "binary"
    schema: FeatureSchema = SCHEMA
    parts: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> ObjectStore:
        """Of the models and of the predictions."""
        return ObjectStore(LocalStore(self.folder, mkdir=True))

    @property
    def settings(self) -> DriftSettings:
        """Chunks of 500 rows, unless `options` says otherwise."""
        return DriftSettings(models=(MODEL,), **({"chunk_rows": 500, "store_patience_seconds": 0} | self.options))

    @property
    def registry(self) -> ModelRegistry:
        """Of the model."""
        return ModelRegistry(self.store, MODEL)

    def publish(self, reference: Any | None, *, promote: bool = True) -> int:  # noqa: ANN401 - a table
        """A version with this reference, or without one, as champion."""
        files: dict[str, bytes] = {}
        if reference is not None:
            sink = io.BytesIO()
            pq.write_table(reference, sink)
            files = {"reference.parquet": sink.getvalue()}
        made = self.registry.publish(
            f"model {len(self.registry.versions())}".encode(),
            lambda version, file: manifest(version, file, self.objective, self.schema),
            lambda _version: files,
        )
        if promote:
            self.registry.promote(made.version, replacing=self.registry.champion())
        return made.version

    def predict(self, table: Any, part_rows: int = 700) -> list[Path]:  # noqa: ANN401 - a table
        """Writes rows into the log, in parts that lie across chunks and hours."""
        table = table.drop_columns(["label"])
        if table.schema.names == prediction_columns(manifest(1, _FILE, self.objective, self.schema)).names:
            table = _cast(table, prediction_columns(manifest(1, _FILE, self.objective, self.schema)))
        return list(self._write("predictions", table, part_rows))

    def label(self, table: Any, received: datetime | None = None) -> list[Path]:  # noqa: ANN401 - a table
        """Writes the labels of rows, received now or then."""
        moment = received or datetime.now(UTC)
        labels = pa.table(
            [table["prediction_id"], pa.array([moment] * table.num_rows, MOMENT), table["label"]], schema=LABEL_COLUMNS
        )
        return list(self._write("labels", labels, max(1, table.num_rows)))

    def evaluate(self) -> Outcome:
        """One evaluation."""
        return evaluate(self.store, self.store, MODEL, self.settings)

    def results(self, version: int = 1) -> Results:
        """What is stored."""
        return Results(self.store, MODEL, version)

    def measures(self, version: int = 1) -> list[dict[str, Any]]:
        """All measures that are stored."""
        results = self.results(version)
        stored: list[dict[str, Any]] = results.chunks().to_pylist() + results.realized().to_pylist()
        return [row for row in stored if row["family"] is not None]

    def found(self, family: str, column: str, method: str) -> list[dict[str, Any]]:
        """One measure over the chunks."""
        key = (family, column, method)
        return [row for row in self.measures() if (row["family"], row["column"], row["method"]) == key]

    def _write(self, kind: Any, table: Any, part_rows: int) -> Iterator[Path]:  # noqa: ANN401 - a table
        for first in range(0, table.num_rows, part_rows):
            part = table.slice(first, part_rows)
            for hour in _hours(part):
                folder = self.folder / hour_prefix(MODEL, kind, hour)
                folder.mkdir(parents=True, exist_ok=True)
                self.parts += 1
                path = folder / f"part-{self.parts:06d}.parquet"
                end = hour + timedelta(hours=1)
                inside = pc.and_(pc.greater_equal(part["time"], hour), pc.less(part["time"], end))
                pq.write_table(part.filter(inside), path)
                yield path


_FILE = ModelFile.of(b"model")


def _cast(table: Any, schema: Any) -> Any:  # noqa: ANN401 - tables and schemas
    fitting = [table[name].type == schema.field(name).type for name in schema.names]
    return table if all(fitting) else table.cast(schema) if _castable(table, schema) else table


def _castable(table: Any, schema: Any) -> bool:  # noqa: ANN401 - tables and schemas
    """A test that writes another type means it."""
    return all(table[name].type == schema.field(name).type for name in schema.names if name.startswith("feature."))


def _hours(table: Any) -> Sequence[datetime]:  # noqa: ANN401 - a table
    moments = table["time"].to_pylist()
    return sorted({moment.replace(minute=0, second=0, microsecond=0) for moment in moments})
