"""A small model of every objective, over features of every kind with missing values."""

from datetime import UTC, datetime
from typing import Any, Final

import lightgbm as lgb
import numpy as np
from lifecycle.features import BooleanFeature, CategoricalFeature, FeatureSchema, NumericFeature
from lifecycle.manifest import Manifest, ModelFile, Objective, ParityRow, TimeWindow, TrainingFacts
from lifecycle.registry import StoredModel
from scoring.predictor import probe_vectors

OBJECTIVES: Final[tuple[Objective, ...]] = ("binary", "multiclass", "regression", "ranking")
SCHEMA: Final = FeatureSchema(
    features=(
        NumericFeature(name="age", nullable=True, minimum=18.0, maximum=99.0),
        NumericFeature(name="balance.eur", nullable=True, minimum=-1e6, maximum=1e6),
        NumericFeature(name="tiny", nullable=False, minimum=-1e-30, maximum=1e-30),
        CategoricalFeature(name="colour", nullable=True, categories=("red", "blue", "a:b", "20 %", "größe")),
        BooleanFeature(name="member", nullable=True),
    )
)
_LABELS: Final = {"binary": 2, "multiclass": 3, "ranking": 4}
_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "binary": {"objective": "binary"},
    "multiclass": {"objective": "multiclass", "num_class": 3},
    "regression": {"objective": "regression"},
    "ranking": {"objective": "lambdarank"},
}
_CLASSES: Final[dict[str, tuple[str, ...]]] = {"binary": ("no", "yes: 100 %"), "multiclass": ("a", "b", "c")}
_ROWS: Final = 2000


def make_model(objective: Objective) -> StoredModel:
    """The model as a registry gives it."""
    random = np.random.default_rng(7)
    matrix = vectors_to_matrix(probe_vectors(SCHEMA, _ROWS, seed=1))
    signal = np.clip(np.nan_to_num(matrix[:, 0] / 99 + matrix[:, 3] / 4), -3, 3) + random.normal(size=_ROWS) / 4
    classes = _LABELS.get(objective)
    label = np.digitize(signal, np.quantile(signal, np.arange(1, classes) / classes)) if classes else signal
    booster = lgb.train(
        {"verbosity": -1, "num_threads": 1, "num_leaves": 15, "min_data_per_group": 5, **_PARAMETERS[objective]},
        lgb.Dataset(
            matrix,
            label=label,
            feature_name=list(SCHEMA.names),
            categorical_feature=list(SCHEMA.categorical_indices),
            group=[20] * (_ROWS // 20) if objective == "ranking" else None,
        ),
        num_boost_round=20,
    )
    text: str = booster.model_to_string()
    row = {"age": 30.0, "balance.eur": None, "tiny": 0.0, "colour": "blue", "member": True}
    outputs = np.asarray(lgb.Booster(model_str=text).predict(np.array([SCHEMA.encode(row)]))).ravel()
    window = TimeWindow(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC))
    manifest = Manifest(
        model=f"small-{objective}",
        version=3,
        objective=objective,
        file=ModelFile.of(text.encode()),
        feature_schema=SCHEMA,
        classes=_CLASSES.get(objective, ()),
        threshold=0.5 if objective == "binary" else None,
        training=TrainingFacts(
            rows=_ROWS,
            window=window,
            holdout_rows=1,
            holdout_window=window,
            data_sha256="0" * 64,
            seed=1,
            parameters={},
            metrics={"none": 0.0},
            code_version="test",
            library_versions={},
            created_at=window.end,
            parent_version=None,
        ),
        parity=(ParityRow(features=row, outputs=tuple(float(output).hex() for output in outputs)),),
    )
    return StoredModel(manifest, text)


def vectors_to_matrix(vectors: list[bytes]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The rows as LightGBM's own package takes them."""
    return np.frombuffer(b"".join(vectors)).reshape(len(vectors), -1)
