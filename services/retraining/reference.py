"""The reference of a version: its answers on its holdout rows, with the truth, for drift to be measured against."""

import hashlib
import io

import lightgbm as lgb
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.manifest import Manifest
from lifecycle.prediction_log import MOMENT, prediction_columns

from retraining.training import Trained


def reference_file(trained: Trained, manifest: Manifest) -> bytes:
    """The reference as Parquet: the columns of the prediction log and `label`; the same bytes each time."""
    holdout = trained.holdout
    outputs = np.asarray(lgb.Booster(model_str=trained.text).predict(holdout.matrix, num_threads=1))
    rows = len(holdout)
    fixed = [
        pa.array([_id(manifest, row) for row in range(rows)]),
        pa.array(holdout.moments.astype("datetime64[us]")).cast(MOMENT),
        pa.repeat(pa.scalar(manifest.version, pa.int32()), rows),
        pa.repeat("champion", rows),
        pa.array(outputs),
        pa.array([_predicted(manifest, output) for output in outputs], pa.string()),
    ]
    schema = prediction_columns(manifest)
    table = pa.table([*fixed, *holdout.table.columns], schema=schema)
    sink = io.BytesIO()
    pq.write_table(table.append_column("label", pa.array(holdout.labels)), sink)
    return sink.getvalue()


def _predicted(manifest: Manifest, output: float) -> str | None:
    return None if manifest.threshold is None else manifest.classes[int(output >= manifest.threshold)]


def _id(manifest: Manifest, row: int) -> str:
    """Made from the place of the row, so that a repeated run writes the same file."""
    return hashlib.sha256(f"{manifest.model}/{manifest.version}/{row}".encode()).hexdigest()[:32]
