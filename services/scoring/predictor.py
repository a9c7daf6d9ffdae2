"""The predictor: a loaded model that was shown to answer as it did when it was made."""

from typing import Protocol

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
from lifecycle.manifest import PARITY_TOLERANCE, Manifest
from lifecycle.registry import ModelRefusedError, StoredModel


class Predictor(Protocol):
    """Gives the model's output for rows."""

    def predict(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """One output for each row of the matrix; safe from several threads."""


class BoosterPredictor:
    """Answers by `Booster.predict`."""

    def __init__(self, booster: lgb.Booster) -> None:
        """Args: the booster, which this predictor owns from now on."""
        self._booster = booster

    def predict(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """See Predictor."""
        # One thread: a pod has one core, and OpenMP's hand-over costs more than a row does.
        return np.asarray(self._booster.predict(matrix, num_threads=1), dtype=np.float64)


def build_predictor(stored: StoredModel) -> BoosterPredictor:
    """A predictor that was checked against its manifest; the check also warms it up.

    Raises:
        ModelRefusedError: the text is no model, has other features, or answers otherwise than when it was made.
    """
    manifest = stored.manifest
    try:
        booster = lgb.Booster(model_str=stored.text)
    except lgb.basic.LightGBMError:
        message = "LightGBM cannot read the model file"
        raise ModelRefusedError("model_unreadable", message, manifest.version) from None
    _check_features(booster, manifest)
    predictor = BoosterPredictor(booster)
    check_parity(predictor, manifest)
    return predictor


def check_parity(predictor: Predictor, manifest: Manifest) -> None:
    """Scores the manifest's parity rows, alone and together, and compares.

    Raises:
        ModelRefusedError: an output is further from the manifest's than the tolerance.
    """
    matrix = np.array([manifest.feature_schema.encode(row.features) for row in manifest.parity])
    expected = np.array([row.expected for row in manifest.parity])
    alone = np.concatenate([predictor.predict(matrix[i : i + 1]) for i in range(len(matrix))])
    together = predictor.predict(matrix)
    for found in (alone, together):
        # Negated, so that a NaN is a mismatch.
        wrong = ~(np.abs(found - expected) <= PARITY_TOLERANCE)
        if wrong.any():
            row = int(np.argmax(wrong))
            message = f"parity row {row} gives {found[row]!r}, the manifest says {expected[row]!r}"
            raise ModelRefusedError("parity_mismatch", message, manifest.version)


def _check_features(booster: lgb.Booster, manifest: Manifest) -> None:
    found, expected = tuple(booster.feature_name()), manifest.feature_schema.names
    if found != expected:
        message = f"the model file has the features {', '.join(found)}; the manifest says {', '.join(expected)}"
        raise ModelRefusedError("schema_mismatch", message, manifest.version)
    if booster.num_model_per_iteration() != 1:
        message = f"the model file has {booster.num_model_per_iteration()} outputs; {manifest.objective} has one"
        raise ModelRefusedError("schema_mismatch", message, manifest.version)
