"""A model serves only if it answers as it did when it was made."""

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pytest
from lifecycle.manifest import Manifest
from lifecycle.registry import ModelRefusedError, StoredModel
from retraining.training import Trained
from scoring.predictor import build_predictor, check_parity


class ConstantPredictor:
    """Answers every row with one number."""

    def __init__(self, output: float) -> None:
        """Args: the number."""
        self._output = output

    def predict_row(self, vector: bytes) -> list[float]:
        """See Predictor."""
        return self.predict_rows(vector, 1)

    def predict_rows(self, _vectors: bytes, rows: int) -> list[float]:
        """See Predictor."""
        return [self._output] * rows

    def contributions(self, vectors: bytes, rows: int) -> npt.NDArray[np.float64]:
        """See Predictor."""
        raise NotImplementedError


def _with(stored: StoredModel, **changes: object) -> StoredModel:
    return replace(stored, manifest=stored.manifest.model_copy(update=changes))


def test_predictions_are_those_of_booster_predict(stored_model: StoredModel, trained: Trained) -> None:
    """Bit for bit, one row or many."""
    predictor = build_predictor(stored_model)
    matrix = trained.holdout.matrix
    expected = np.asarray(lgb.Booster(model_str=trained.text).predict(matrix))
    assert predictor.predict_rows(matrix.tobytes(), len(matrix)) == expected.tolist()
    assert predictor.predict_row(matrix[5].tobytes()) == [expected[5]]


def test_a_parity_row_that_gives_something_else_is_refused(stored_model: StoredModel) -> None:
    """The last digits count: 1e-9 is too far."""
    first = stored_model.manifest.parity[0]
    moved = first.model_copy(update={"outputs": ((first.expected[0] + 1e-9).hex(),)})
    with pytest.raises(ModelRefusedError, match="parity row 0 gives") as caught:
        build_predictor(_with(stored_model, parity=(moved, *stored_model.manifest.parity[1:])))
    assert caught.value.cause == "parity_mismatch"


@pytest.mark.parametrize("output", [0.5, float("nan")])
def test_a_predictor_that_answers_otherwise_is_refused(stored_model: StoredModel, output: float) -> None:
    """NaN is no match either."""
    with pytest.raises(ModelRefusedError):
        check_parity(ConstantPredictor(output), stored_model.manifest)


def test_other_features_are_refused(stored_model: StoredModel) -> None:
    """Order included: positions are what the model knows."""
    schema = stored_model.manifest.feature_schema
    turned = schema.model_copy(update={"features": tuple(reversed(schema.features))})
    assert turned.features != schema.features
    manifest = Manifest.model_validate(
        stored_model.manifest.model_dump() | {"feature_schema": {"features": turned.model_dump()["features"]}}
    )
    with pytest.raises(ModelRefusedError, match="the model file has the features car_value") as caught:
        build_predictor(replace(stored_model, manifest=manifest))
    assert caught.value.cause == "schema_mismatch"


@pytest.mark.parametrize("text", ["", "garbage", "tree\nversion=v4\n"])
def test_what_is_no_model_is_refused(stored_model: StoredModel, text: str) -> None:
    """Also what begins like one."""
    with pytest.raises(ModelRefusedError) as caught:
        build_predictor(replace(stored_model, text=text))
    assert caught.value.cause == "model_unreadable"


def test_more_than_one_output_is_refused(stored_model: StoredModel, trained: Trained) -> None:
    """A multiclass model under a binary manifest."""
    booster = lgb.train(
        {"objective": "multiclass", "num_class": 3, "verbosity": -1, "num_threads": 1},
        lgb.Dataset(
            trained.train.matrix,
            label=np.arange(len(trained.train)) % 3,
            feature_name=list(trained.train.schema.names),
        ),
        num_boost_round=1,
    )
    with pytest.raises(ModelRefusedError, match="3 outputs") as caught:
        build_predictor(replace(stored_model, text=booster.model_to_string()))
    assert caught.value.cause == "schema_mismatch"
