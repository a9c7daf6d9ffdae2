"""The predictor: a loaded model that was shown to answer as it did when it was made."""

from itertools import chain
from typing import Any, Final, Literal, Protocol, TypeAlias

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import structlog
from lifecycle.fast_booster import FastBooster, FastCallError
from lifecycle.features import CategoricalFeature, FeatureSchema, NumericFeature
from lifecycle.manifest import PARITY_TOLERANCE, Manifest
from lifecycle.registry import ModelRefusedError, StoredModel

Floats: TypeAlias = npt.NDArray[np.float64]

_PROBE_ROWS: Final = 256
"""Rows drawn to compare the C calls with `Booster.predict`, beside the manifest's: 20 ms of a load."""
_EXTREMES: Final = (0.0, -0.0, 5e-324, -5e-324, 1e-36, -1e-36, 1e300, -1e300, 1.7976931348623157e308)


class Predictor(Protocol):
    """Gives the model's outputs for rows.

    A row is a vector of float64 in the machine's order, as `FeatureSchema.encode` makes it; rows follow each other. So
    do the outputs, as many for each row as the model has.
    """

    def predict_row(self, vector: bytes) -> list[float]:
        """The outputs for one row; always from the same thread."""

    def predict_rows(self, vectors: bytes, rows: int) -> list[float]:
        """The outputs for several rows; from any thread."""

    def contributions(self, vectors: bytes, rows: int) -> Floats:
        """What each feature adds to each output, and last the base: rows x outputs x (features + 1); SHAP values.

        Slow, from any thread. They add up to the raw score, before the link function.
        """


class BoosterPredictor:
    """Answers by `Booster.predict`."""

    kind: Literal["booster"] = "booster"

    def __init__(self, booster: lgb.Booster) -> None:
        """Args: the booster, which this predictor owns from now on."""
        self._booster = booster

    def predict_row(self, vector: bytes) -> list[float]:
        """See Predictor."""
        return self.predict_rows(vector, 1)

    def predict_rows(self, vectors: bytes, rows: int) -> list[float]:
        """See Predictor."""
        outputs: list[float] = self._predict(vectors, rows).ravel().tolist()
        return outputs

    def contributions(self, vectors: bytes, rows: int) -> Floats:
        """See Predictor."""
        return self._predict(vectors, rows, pred_contrib=True).reshape(rows, -1, self._booster.num_feature() + 1)

    def _predict(self, vectors: bytes, rows: int, **options: Any) -> Floats:  # noqa: ANN401 - LightGBM's own
        matrix = np.frombuffer(vectors).reshape(rows, -1)
        return np.asarray(self._booster.predict(matrix, num_threads=1, **options), dtype=np.float64)


class FastPredictor:
    """Answers by LightGBM's C calls."""

    kind: Literal["fast"] = "fast"

    def __init__(self, booster: lgb.Booster, outputs: int) -> None:
        """Prepares the calls.

        Args:
            booster: owned by this predictor from now on.
            outputs: how many numbers it gives for a row.

        Raises:
            FastCallError: this LightGBM has no such calls.
        """
        calls = FastBooster(booster, outputs)
        self.predict_row: Final = calls.predict_row
        self.predict_rows: Final = calls.predict_rows
        self.contributions: Final = BoosterPredictor(booster).contributions


def build_predictor(stored: StoredModel) -> BoosterPredictor | FastPredictor:
    """A predictor that was checked against its manifest; the check also warms it up.

    The C calls are used where they answer as `Booster.predict` does, bit for bit; the log says which it is.

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
    plain = BoosterPredictor(booster)
    check_parity(plain, manifest)
    return _fastest(booster, plain, manifest)


def check_parity(predictor: Predictor, manifest: Manifest) -> None:
    """Scores the manifest's parity rows, alone and together, and compares.

    Raises:
        ModelRefusedError: an output is further from the manifest's than the tolerance.
    """
    vectors = parity_vectors(manifest)
    expected = np.array([row.expected for row in manifest.parity])
    alone = list(chain.from_iterable(predictor.predict_row(vector) for vector in vectors))
    together = predictor.predict_rows(b"".join(vectors), len(vectors))
    for outputs in (alone, together):
        found = np.array(outputs).reshape(expected.shape)
        # Negated, so that a NaN is a mismatch.
        wrong = (~(np.abs(found - expected) <= PARITY_TOLERANCE)).any(axis=1)
        if wrong.any():
            row = int(np.argmax(wrong))
            message = f"parity row {row} gives {found[row].tolist()}, the manifest says {expected[row].tolist()}"
            raise ModelRefusedError("parity_mismatch", message, manifest.version)


def answer_alike(found: Predictor, expected: Predictor, vectors: list[bytes]) -> bool:
    """Whether both give the same outputs, bit for bit, row by row and all at once."""
    together = b"".join(vectors)
    wanted = _bits(expected.predict_rows(together, len(vectors)))
    alone = list(chain.from_iterable(found.predict_row(vector) for vector in vectors))
    return _bits(alone) == wanted and _bits(found.predict_rows(together, len(vectors))) == wanted


def parity_vectors(manifest: Manifest) -> list[bytes]:
    """The manifest's parity rows as the model sees them."""
    return [np.array(manifest.feature_schema.encode(row.features)).tobytes() for row in manifest.parity]


def probe_vectors(schema: FeatureSchema, rows: int, seed: int = 0) -> list[bytes]:
    """Rows that a schema allows, drawn: in and out of the range seen in training, extremes, missing values."""
    random = np.random.default_rng(seed)
    columns = []
    for feature in schema.features:
        match feature:
            case NumericFeature():
                # Half a range beyond both ends; the width can overflow where the ends are extreme themselves.
                width = min(feature.maximum - feature.minimum, 1e307)
                column = feature.minimum + width * random.uniform(-0.5, 1.5, rows)
                column = np.where(random.random(rows) < 0.1, random.choice(_EXTREMES, rows), column)  # noqa: PLR2004 - a tenth
            case CategoricalFeature():
                column = random.integers(0, len(feature.categories), rows).astype(np.float64)
            case _:
                column = random.integers(0, 2, rows).astype(np.float64)
        if feature.nullable:
            column = np.where(random.random(rows) < 0.1, np.nan, column)  # noqa: PLR2004 - a tenth
        columns.append(np.clip(column, -1.7976931348623157e308, 1.7976931348623157e308))
    return [row.tobytes() for row in np.ascontiguousarray(np.column_stack(columns))]


def _fastest(booster: lgb.Booster, plain: BoosterPredictor, manifest: Manifest) -> BoosterPredictor | FastPredictor:
    log = structlog.stdlib.get_logger().bind(model=manifest.model, version=manifest.version)
    try:
        fast = FastPredictor(booster, manifest.outputs)
    except FastCallError as error:
        log.warning("predictor_chosen", predictor=plain.kind, reason=str(error))
        return plain
    probes = parity_vectors(manifest) + probe_vectors(manifest.feature_schema, _PROBE_ROWS)
    if not answer_alike(fast, plain, probes):
        log.error("predictor_chosen", predictor=plain.kind, reason="the C calls answer otherwise than Booster.predict")
        return plain
    log.info("predictor_chosen", predictor=fast.kind)
    return fast


def _bits(outputs: list[float]) -> bytes:
    return np.array(outputs).tobytes()


def _check_features(booster: lgb.Booster, manifest: Manifest) -> None:
    found, expected = tuple(booster.feature_name()), manifest.feature_schema.names
    if found != expected:
        message = f"the model file has the features {', '.join(found)}; the manifest says {', '.join(expected)}"
        raise ModelRefusedError("schema_mismatch", message, manifest.version)
    if booster.num_model_per_iteration() != manifest.outputs:
        message = (
            f"the model file has {booster.num_model_per_iteration()} outputs; "
            f"{manifest.objective} of the manifest has {manifest.outputs}"
        )
        raise ModelRefusedError("schema_mismatch", message, manifest.version)
