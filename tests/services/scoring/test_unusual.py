"""A row that no row of training resembles is answered with a flag, and counted where the model is guarded."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from lifecycle.features import CategoricalFeature, FeatureSchema
from lifecycle.guard import InputGuard, fit_guard
from lifecycle.registry import StoredModel
from scoring.app import Dependencies
from scoring.champion import ChampionHolder, ServedModel
from scoring.predictor import build_predictor
from tests.services.scoring.objectives import SCHEMA, make_model

ROW: dict[str, Any] = {"age": 40.0, "balance.eur": 1000.0, "tiny": 0, "colour": "blue", "member": True}
FORGIVING = FeatureSchema(
    features=tuple(
        feature.model_copy(update={"unseen": "missing"}) if isinstance(feature, CategoricalFeature) else feature
        for feature in SCHEMA.features
    )
)


def training_rows() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Of people who own more the older they are, and of whom nobody is young and rich."""
    random = np.random.default_rng(1)
    age = random.uniform(18, 99, 5000)
    balance = 1000 * (age - 18) + random.normal(0, 500, 5000)
    rest = (np.zeros(5000), random.integers(0, 5, 5000), random.integers(0, 2, 5000))
    return np.column_stack([age, balance, *rest])


GUARD = fit_guard(training_rows(), SCHEMA, margin=1.25)


@pytest.fixture
def guarded(
    open_client: Callable[[Dependencies], TestClient], dependencies: Dependencies
) -> Callable[[InputGuard | None], TestClient]:
    """Makes clients of an application with a small model that takes unseen colours, guarded or not."""

    def make(guard: InputGuard | None) -> TestClient:
        stored = make_model("binary")
        manifest = stored.manifest.model_copy(update={"feature_schema": FORGIVING, "guard": guard})
        champion = ChampionHolder()
        champion.current = ServedModel(manifest, build_predictor(StoredModel(manifest, stored.text)))
        dependencies.metrics.serve(manifest)
        return open_client(replace(dependencies, champion=champion))

    return make


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({}, None),
        ({"age": None}, None),
        ({"age": 17.9, "balance.eur": 0.0}, [{"kind": "out_of_range", "feature": "age"}]),
        ({"colour": "green"}, [{"kind": "unseen", "feature": "colour"}]),
        ({"colour": None}, None),
        ({"age": 20.0, "balance.eur": 90_000.0}, ["anomaly"]),
        ({"age": 98.0, "balance.eur": 80_000.0}, None),
    ],
)
def test_an_answer_flags_what_training_had_not(
    guarded: Callable[[InputGuard | None], TestClient], changes: dict[str, Any], flags: list[Any] | None
) -> None:
    """A value out of its range, an unseen category, and values that are usual each but not together."""
    usual = ROW | {"balance.eur": 22_000.0}
    answer = guarded(GUARD).post("/v1/predict", json={"rows": [usual, usual | changes, usual]}).json()
    first, second, third = answer["predictions"]
    assert "unusual" not in first
    assert "unusual" not in third
    found = second.get("unusual")
    if flags == ["anomaly"]:
        assert [flag["kind"] for flag in found] == ["anomaly"]
        assert found[0]["score"] > 1
    else:
        assert found == flags


def test_an_unseen_category_is_scored_as_a_missing_one(guarded: Callable[[InputGuard | None], TestClient]) -> None:
    """Alone and ranked; a model that does not take it refuses it as ever."""
    client = guarded(None)
    rows = [ROW | {"colour": "green"}, ROW | {"colour": None}]
    first, second = client.post("/v1/predict", json={"rows": rows}).json()["predictions"]
    assert first["probability"] == second["probability"]
    ranked = client.post("/v1/rank", json={"candidates": rows, "k": 2}).json()["ranking"]
    assert [(entry["index"], "unusual" in entry) for entry in ranked] == [(0, True), (1, False)]
    metrics = client.get("/metrics").text
    assert 'scoring_guard_hits_total{feature="colour",kind="unseen",model="small-binary"} 2.0' in metrics
    assert 'scoring_guard_hits_total{feature="colour",kind="missing",model="small-binary"} 2.0' in metrics


def test_flags_are_counted_for_guarded_models_from_zero_on(
    guarded: Callable[[InputGuard | None], TestClient],
) -> None:
    """The alert asks for an increase, so the series are there before the first flag; others have none."""
    client = guarded(GUARD)
    series = 'scoring_unusual_rows_total{kind="%s",model="small-binary"} %d.0'
    before = client.get("/metrics").text
    assert all(series % (kind, 0) in before for kind in ("out_of_range", "unseen", "anomaly"))
    client.post("/v1/predict", json={"rows": [ROW | {"age": 1, "tiny": 1}, ROW | {"colour": "green"}]})
    after = client.get("/metrics").text
    assert series % ("out_of_range", 1) in after
    assert series % ("unseen", 1) in after


def test_without_a_guard_a_flag_is_answered_and_not_counted(
    guarded: Callable[[InputGuard | None], TestClient],
) -> None:
    """A value that is a hair out of range is no news for most models."""
    client = guarded(None)
    answer = client.post("/v1/predict", json={"rows": [ROW | {"age": 1}]}).json()
    assert answer["predictions"][0]["unusual"] == [{"kind": "out_of_range", "feature": "age"}]
    assert "scoring_unusual_rows_total{" not in client.get("/metrics").text


def test_no_row_of_training_is_an_anomaly_and_extremes_are() -> None:
    """The limit is the furthest of them with a margin; numbers that overflow are far, and never no number."""
    rows = training_rows()
    assert GUARD.scores(rows).max() == pytest.approx(1 / 1.25)
    extreme = np.array([[1.7e308, -1.7e308, 1e300, 0, 0], [np.nan] * 5])
    far, nothing = GUARD.scores(extreme)
    assert far > 1
    assert nothing == 0
    assert json.loads(GUARD.model_dump_json())["limit"] == GUARD.limit
    assert InputGuard.model_validate_json(GUARD.model_dump_json()) == GUARD


def test_unseen_names_are_taken_only_where_a_missing_value_has_a_meaning() -> None:
    """The model has learnt what null means, or the score would be a guess."""
    with pytest.raises(ValueError, match="only where it is nullable"):
        CategoricalFeature(name="colour", nullable=False, categories=("red",), unseen="missing")
