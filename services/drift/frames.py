"""Windows of the log as the calculators want them."""

from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # pandas ships no types
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.features import FeatureSchema, NumericFeature
from lifecycle.manifest import Manifest
from lifecycle.prediction_log import FEATURE_PREFIX


def frame(table: Any, manifest: Manifest) -> Any:  # noqa: ANN401 - a pyarrow table, a pandas frame
    """The features, what was predicted and, where the table has it, the label.

    Args:
        table: with the columns of the prediction log, each of its own type.
        manifest: of the version that predicted. Numbers that are not finite become missing ones.
    """
    return pd.DataFrame(_features(table, manifest.feature_schema) | performance_columns(table, manifest))


def output_columns(manifest: Manifest) -> list[str]:
    """The columns of a frame that say what the model answered: one, or one a class."""
    if manifest.objective == "multiclass":
        return [f"output.{index}" for index in range(len(manifest.classes))]
    return ["output"]


def performance_columns(table: Any, manifest: Manifest) -> dict[str, Any]:  # noqa: ANN401 - a pyarrow table
    """What was predicted and, where the table has it, the label."""
    found: dict[str, Any] = {}
    if manifest.objective == "multiclass":
        outputs = np.asarray(table["output"].to_pylist(), float).reshape(table.num_rows, len(manifest.classes))
        found = {name: outputs[:, index] for index, name in enumerate(output_columns(manifest))}
        found["predicted"] = outputs.argmax(axis=1)
    else:
        output = table["output"].to_numpy()
        predicted = (output >= manifest.threshold).astype(int) if manifest.objective == "binary" else output
        found = {"output": output, "predicted": predicted}
    if "label" in table.column_names:
        found["label"] = table["label"].to_numpy()
    return found


def _features(table: Any, schema: FeatureSchema) -> dict[str, Any]:  # noqa: ANN401 - a pyarrow table
    found = {}
    for feature in schema.features:
        name = f"{FEATURE_PREFIX}{feature.name}"
        if isinstance(feature, NumericFeature):
            # A copy: what Arrow gives may not be written to.
            values = np.array(table[name].to_numpy(), float)
            values[~np.isfinite(values)] = np.nan
            found[name] = values
        else:
            found[name] = table[name].cast(pa.string()).to_pandas().astype(object)
    return found


def own(table: Any, manifest: Manifest) -> Any:  # noqa: ANN401 - pyarrow tables
    """What this version answered as champion."""
    mine = pc.and_(pc.equal(table["version"], manifest.version), pc.equal(table["role"], "champion"))
    answered = pc.and_(mine, pc.is_valid(table["output"]))
    return table.filter(answered)
