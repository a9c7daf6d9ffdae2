"""Every objective answers as `Booster.predict`, bit for bit, whichever way a row comes in."""

import json
import math
from functools import cache
from operator import itemgetter

import lightgbm as lgb
import msgspec
import numpy as np
import pytest
import structlog
from lifecycle.fast_booster import FastBooster, FastCallError
from lifecycle.features import BooleanFeature, CategoricalFeature
from lifecycle.manifest import Objective
from scoring.champion import ServedModel
from scoring.open_inference import infer
from scoring.prediction import predict
from scoring.predictor import FastPredictor, answer_alike, build_predictor, probe_vectors
from scoring.wire import Prediction, PredictResponse
from tests.services.scoring.objectives import OBJECTIVES, SCHEMA, make_model, vectors_to_matrix

from scoring import predictor as predictors

PARITY_ROWS = 100_000
"""For each objective; about a second each."""


@cache
def _served(objective: Objective) -> ServedModel:
    stored = make_model(objective)
    return ServedModel(stored.manifest, build_predictor(stored))


def _rows(vectors: list[bytes]) -> list[dict[str, object]]:
    """The rows as a client writes them."""
    rows = []
    for values in vectors_to_matrix(vectors).tolist():
        row: dict[str, object] = {}
        for feature, value in zip(SCHEMA.features, values, strict=True):
            row[feature.name] = value
            if math.isnan(value):
                row[feature.name] = None
            elif isinstance(feature, CategoricalFeature):
                row[feature.name] = feature.categories[int(value)]
            elif isinstance(feature, BooleanFeature):
                row[feature.name] = bool(value)
        rows.append(row)
    return rows


def _outputs(prediction: Prediction) -> list[float]:
    if prediction.probabilities:
        return [value for value in prediction.probabilities.values() if value is not None]
    (value,) = (
        value for value in (prediction.probability, prediction.value, prediction.score) if isinstance(value, float)
    )
    return [value]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_c_calls_answer_as_booster_predict_over_many_rows(objective: Objective) -> None:
    """Alone and together, with missing values, every category and extreme numbers among them."""
    stored = make_model(objective)
    expected = np.asarray(
        lgb.Booster(model_str=stored.text).predict(
            vectors_to_matrix(vectors := probe_vectors(SCHEMA, PARITY_ROWS, seed=5)), num_threads=1
        )
    )
    matrix = vectors_to_matrix(vectors)
    assert np.isnan(matrix).any()
    assert (np.abs(matrix) > 1e299).any()
    predictor = _served(objective).predictor
    assert isinstance(predictor, FastPredictor)
    together = predictor.predict_rows(b"".join(vectors), PARITY_ROWS)
    assert np.array(together).tobytes() == expected.tobytes()
    alone = [output for vector in vectors for output in predictor.predict_row(vector)]
    assert np.array(alone).tobytes() == expected.tobytes()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_answer_read_back_is_booster_predict_of_the_row_that_was_sent(objective: Objective) -> None:
    """Through JSON both ways, in one request, in one for each row, and as tensors."""
    model = _served(objective)
    vectors = probe_vectors(SCHEMA, 200, seed=9)
    rows = _rows(vectors)
    booster = lgb.Booster(model_str=make_model(objective).text)
    expected = np.asarray(booster.predict(vectors_to_matrix(vectors))).reshape(len(vectors), -1).tolist()
    together = predict(model, json.dumps({"rows": rows}).encode(), 200)
    alone = [predict(model, json.dumps({"rows": [row]}).encode(), 1) for row in rows]
    bodies = [together.body, *(answer.body for answer in alone)]
    predictions = [p for body in bodies for p in msgspec.json.decode(body, type=PredictResponse).predictions]
    assert [_outputs(prediction) for prediction in predictions] == [*expected, *expected]
    assert len({prediction.id for prediction in predictions}) == 400
    tensors = [
        {"name": feature.name, "shape": [200], "datatype": datatype, "data": [row[feature.name] for row in rows]}
        for feature, datatype in zip(SCHEMA.features, ("FP64", "FP64", "FP64", "BYTES", "BOOL"), strict=True)
    ]
    answer = infer(model, json.dumps({"inputs": tensors}).encode(), 200)
    output = json.loads(answer.body)["outputs"][0]
    assert output["data"] == [value for row in expected for value in row]


@pytest.mark.engine
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_answers_over_many_rows_are_booster_predict_bit_for_bit(objective: Objective) -> None:
    """Through JSON both ways, in requests of a hundred rows, of one row, and of a thousand as tensors."""
    model = _served(objective)
    vectors = probe_vectors(SCHEMA, PARITY_ROWS, seed=21)
    matrix = vectors_to_matrix(vectors)
    assert np.isnan(matrix).any()
    assert (np.abs(matrix[~np.isnan(matrix)]) > 1e299).any()
    expected = np.asarray(lgb.Booster(model_str=make_model(objective).text).predict(matrix, num_threads=1))
    rows = _rows(vectors)

    def v1(size: int) -> list[float]:
        bodies = (json.dumps({"rows": rows[at : at + size]}).encode() for at in range(0, PARITY_ROWS, size))
        answers = (msgspec.json.decode(predict(model, body, size).body, type=PredictResponse) for body in bodies)
        return [output for answer in answers for prediction in answer.predictions for output in _outputs(prediction)]

    def v2(size: int) -> list[float]:
        outputs: list[float] = []
        for at in range(0, PARITY_ROWS, size):
            tensors = [
                {
                    "name": name,
                    "shape": [size],
                    "datatype": datatype,
                    "data": [row[name] for row in rows[at : at + size]],
                }
                for name, datatype in zip(SCHEMA.names, ("FP64", "FP64", "FP64", "BYTES", "BOOL"), strict=True)
            ]
            outputs += json.loads(infer(model, json.dumps({"inputs": tensors}).encode(), size).body)["outputs"][0][
                "data"
            ]
        return outputs

    for found in (v1(100), v1(1), v2(1000)):
        assert np.array(found).tobytes() == expected.tobytes()


def test_the_most_probable_class_is_answered() -> None:
    """Of three."""
    body = json.dumps({"rows": _rows(probe_vectors(SCHEMA, 50))}).encode()
    answer = msgspec.json.decode(predict(_served("multiclass"), body, 50).body, type=PredictResponse)
    for prediction in answer.predictions:
        assert isinstance(prediction.probabilities, dict)
        assert prediction.class_ == max(prediction.probabilities.items(), key=itemgetter(1))[0]
    assert len({prediction.class_ for prediction in answer.predictions}) == 3


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_contributions_add_up_to_the_raw_score(objective: Objective) -> None:
    """For each output; of the base and every feature by name."""
    model = _served(objective)
    vectors = probe_vectors(SCHEMA, 10, seed=2)
    body = json.dumps({"rows": _rows(vectors), "contributions": True}).encode()
    answer = msgspec.json.decode(predict(model, body, 10).body, type=PredictResponse)
    raw = np.asarray(
        lgb.Booster(model_str=make_model(objective).text).predict(vectors_to_matrix(vectors), raw_score=True)
    ).reshape(10, -1)
    for prediction, scores in zip(answer.predictions, raw, strict=True):
        assert isinstance(prediction.contributions, list)
        sums = [entry.base + sum(entry.features.values()) for entry in prediction.contributions]
        assert sums == pytest.approx(scores.tolist())
        assert all(set(entry.features) == set(SCHEMA.names) for entry in prediction.contributions)


def test_without_the_c_calls_booster_predict_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the log says so."""

    def lacking(*_arguments: object) -> FastBooster:
        message = "LightGBM lacks a C call"
        raise FastCallError(message)

    monkeypatch.setattr(predictors, "FastBooster", lacking)
    with structlog.testing.capture_logs() as lines:
        predictor = build_predictor(make_model("binary"))
    assert predictor.kind == "booster"
    assert [(line["event"], line["predictor"]) for line in lines] == [("predictor_chosen", "booster")]
    assert answer_alike(predictor, _served("binary").predictor, probe_vectors(SCHEMA, 20))


def test_c_calls_that_answer_otherwise_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the last bit of one row differs."""

    class Off(FastBooster):
        def predict_row(self, vector: bytes) -> list[float]:
            (output,) = super().predict_row(vector)
            return [math.nextafter(output, 2)]

    monkeypatch.setattr(predictors, "FastBooster", Off)
    with structlog.testing.capture_logs() as lines:
        predictor = build_predictor(make_model("binary"))
    assert predictor.kind == "booster"
    assert lines[0]["log_level"] == "error"
