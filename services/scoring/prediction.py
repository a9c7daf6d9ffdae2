"""Prediction as the service sees it: a body in, an answer out. Knows nothing of HTTP."""

import uuid

from scoring.champion import ServedModel
from scoring.decoding import decode_rows
from scoring.wire import Prediction, PredictResponse


def predict(model: ServedModel, body: bytes, max_rows: int) -> PredictResponse:
    """Scores the rows of a request body.

    Raises:
        RequestError: the body is not rows of this model.
    """
    manifest = model.manifest
    matrix = decode_rows(body, manifest.feature_schema, max_rows)
    probabilities: list[float] = model.predictor.predict(matrix).tolist()
    below, above = manifest.classes
    threshold = manifest.threshold
    return PredictResponse(
        model.reference,
        [
            Prediction(uuid.uuid4().hex, probability, above if probability >= threshold else below)
            for probability in probabilities
        ],
    )
