"""Candidates in, the best of them out: in the order of `Booster.predict`, all of them recorded, wrong ones refused."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import lightgbm as lgb
import msgspec
import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from lifecycle.features import BooleanFeature, CategoricalFeature
from lifecycle.manifest import Objective
from scoring.app import Dependencies, create_app
from scoring.champion import ChampionHolder, ServedModel
from scoring.decoding import DEFAULT_K, decode_candidates
from scoring.errors import RequestError
from scoring.prediction import best, rank
from scoring.predictor import build_predictor, probe_vectors
from scoring.rows import RowReader
from scoring.wire import RankResponse
from tests.services.scoring.objectives import SCHEMA, make_model, vectors_to_matrix
from tests.services.scoring.test_hot import MemoryLog

OpenClient = Callable[[Dependencies], TestClient]
MOST = 50
"""Rows that the application of the tests takes."""
READER = RowReader(SCHEMA)
ROW = {"age": 30.5, "balance.eur": -7, "tiny": 0, "colour": "blue", "member": True}
DOUBLED = json.dumps(ROW)[:-1] + ',"age":2}'


@cache
def served(objective: Objective = "ranking") -> ServedModel:
    """A small model, loaded and checked."""
    stored = make_model(objective)
    return ServedModel(stored.manifest, build_predictor(stored))


def candidates(count: int, seed: int = 3) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Drawn rows as a client sends them, and as the model sees them."""
    vectors = probe_vectors(SCHEMA, count, seed)
    rows: list[dict[str, Any]] = []
    for vector in vectors_to_matrix(vectors):
        row: dict[str, Any] = {}
        for feature, value in zip(SCHEMA.features, vector.tolist(), strict=True):
            row[feature.name] = None if math.isnan(value) else value
            if not math.isnan(value) and isinstance(feature, CategoricalFeature):
                row[feature.name] = feature.categories[int(value)]
            elif not math.isnan(value) and isinstance(feature, BooleanFeature):
                row[feature.name] = bool(value)
        rows.append(row)
    return rows, vectors


@pytest.fixture
def ranking(open_client: OpenClient, dependencies: Dependencies) -> tuple[TestClient, MemoryLog]:
    """A client of the application with a small ranking model, and its log."""
    champion, log = ChampionHolder(), MemoryLog()
    champion.current = served()
    return open_client(replace(dependencies, champion=champion, log=log)), log


@pytest.mark.parametrize("objective", ["ranking", "regression", "binary"])
@pytest.mark.parametrize("k", [1, 7, 200])
def test_the_order_is_that_of_booster_predict(objective: Objective, k: int) -> None:
    """With its very outputs, and each candidate at its place in the request."""
    rows, vectors = candidates(200)
    expected = np.asarray(lgb.Booster(model_str=make_model(objective).text).predict(vectors_to_matrix(vectors)))
    scored = rank(served(objective), json.dumps({"candidates": rows, "k": k}).encode(), 200)
    answer = msgspec.json.decode(scored.body, type=RankResponse)
    places = [entry.index for entry in answer.ranking]
    assert places == np.argsort(-expected, kind="stable")[:k].tolist()
    given = [next(v for v in (e.score, e.value, e.probability) if isinstance(v, float)) for e in answer.ranking]
    assert given == expected[places].tolist()
    assert [entry.id for entry in answer.ranking] == [scored.ids[place] for place in places]


def test_of_equal_candidates_the_earlier_comes_first() -> None:
    """So that a client that sends its own order keeps it where the model sees no difference."""
    body = json.dumps({"candidates": [ROW] * 9, "k": 4}).encode()
    answer = msgspec.json.decode(rank(served(), body, 9).body, type=RankResponse)
    assert [entry.index for entry in answer.ranking] == [0, 1, 2, 3]


@given(st.lists(st.floats() | st.sampled_from([0.0, -0.0, 1.0, math.nan]), max_size=30), st.integers(0, 30))
def test_what_is_no_number_comes_last(outputs: list[float], count: int) -> None:
    """A model may overflow; the order is still one, and the best of few are the first of all."""
    places = best(outputs, count)
    assert places == best(outputs, len(outputs))[:count]
    found = [outputs[place] for place in best(outputs, len(outputs))]
    numbers = [value for value in found if not math.isnan(value)]
    assert numbers == sorted(numbers, reverse=True)
    assert all(math.isnan(value) for value in found[len(numbers) :])


@pytest.mark.parametrize(("given", "sent", "wanted"), [(None, 12, DEFAULT_K), (3, 12, 3), (12, 3, 3), (1, 1, 1)])
def test_k_is_how_many_are_answered_where_there_are_as_many(
    ranking: tuple[TestClient, MemoryLog], given: int | None, sent: int, wanted: int
) -> None:
    """Ten where the request does not say."""
    client, _ = ranking
    body = {"candidates": [ROW] * sent} | ({} if given is None else {"k": given})
    assert len(client.post("/v1/rank", json=body).json()["ranking"]) == wanted


def test_all_candidates_are_recorded_as_one_request_and_counted(ranking: tuple[TestClient, MemoryLog]) -> None:
    """Those that were not shown too: the ids of one request share all but their last four digits."""
    client, log = ranking
    answer = client.post("/v1/rank", json={"candidates": candidates(20)[0], "k": 2}).json()
    (recorded,) = log.rows
    assert len({id_[:-4] for id_ in recorded.ids}) == 1
    assert [recorded.ids[entry["index"]] for entry in answer["ranking"]] == [entry["id"] for entry in answer["ranking"]]
    assert len(recorded.ids) == 20
    metrics = client.get("/metrics").text
    assert 'scoring_predictions_total{model="small-ranking",version="3"} 20.0' in metrics
    assert 'scoring_request_duration_seconds_count{route="/v1/rank",status="200"} 1.0' in metrics


def test_a_short_request_is_answered_on_its_connection(dependencies: Dependencies) -> None:
    """Ahead of ASGI, as /v1/predict; what is wrong, or another path, is left to the application."""
    champion, log = ChampionHolder(), MemoryLog()
    champion.current = served()
    settings = dependencies.settings.model_copy(update={"log_mode": "async"})
    app = create_app(replace(dependencies, settings=settings, champion=champion, log=log))
    headers = {b"content-type": b"application/json"}
    body = json.dumps({"candidates": candidates(3)[0], "k": 1}).encode()
    answer = app.at_once(b"/v1/rank", headers, body)
    assert answer is not None
    assert len(msgspec.json.decode(answer[1], type=RankResponse).ranking) == 1
    assert len(log.rows) == 1
    assert app.at_once(b"/v1/rank", headers, b'{"candidates":[]}') is None
    assert app.at_once(b"/v1/ranking", headers, body) is None
    assert len(log.rows) == 1


def test_feedback_is_a_label_by_the_id_of_a_candidate(ranking: tuple[TestClient, MemoryLog]) -> None:
    """How relevant it was, as a number."""
    client, log = ranking
    shown = client.post("/v1/rank", json={"candidates": candidates(5)[0], "k": 3}).json()["ranking"]
    labels = [{"id": entry["id"], "label": relevance} for entry, relevance in zip(shown, (0, 2, 1), strict=True)]
    outcomes = client.post("/v1/labels", json={"labels": labels}).json()["labels"]
    assert [label["outcome"] for label in outcomes] == ["accepted"] * 3
    assert log.labels == {shown[0]["id"]: 0.0, shown[1]["id"]: 2.0, shown[2]["id"]: 1.0}


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ("{", 400, "invalid_json", None),
        (b"\xff", 400, "not_utf8", None),
        ("[]", 422, "wrong_shape", "body"),
        ("{}", 422, "missing_field", "candidates"),
        ({"candidates": []}, 422, "no_rows", "candidates"),
        ({"candidates": {}}, 422, "wrong_shape", "candidates"),
        ({"candidates": [1]}, 422, "wrong_shape", "candidates[0]"),
        ({"candidates": [ROW] * (MOST + 1)}, 422, "too_many_rows", "candidates"),
        ({"candidates": [ROW], "rows": [ROW]}, 422, "unknown_field", "rows"),
        ({"candidates": [ROW, ROW | {"age": "x"}]}, 422, "wrong_type", "candidates[1].age"),
        ({"candidates": [ROW | {"tiny": None}]}, 422, "null_feature", "candidates[0].tiny"),
        ({"candidates": [ROW | {"colour": "green"}]}, 422, "unknown_category", "candidates[0].colour"),
        ({"candidates": [ROW | {"size": 1}]}, 422, "unknown_feature", "candidates[0].size"),
        (f'{{"candidates":[{DOUBLED}]}}', 422, "doubled_key", "candidates[0].age"),
        (f'{{"candidates":[{json.dumps(ROW)}],"k":1,"k":2}}', 422, "doubled_key", "k"),
        *(
            (f'{{"candidates":[{json.dumps(ROW)}],"k":{k}}}', 422, "wrong_type", "k")
            for k in ("0", "-1", "1.5", str(MOST + 1), "true", "null", '"3"', "1e400", "NaN", "9" * 400)
        ),
        ({"candidates": [ROW], "k": [1]}, 422, "wrong_type", "k"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_by_its_place(
    ranking: tuple[TestClient, MemoryLog], body: object, status: int, code: str, field: str | None
) -> None:
    """With the same codes as /v1/predict, and nothing is recorded."""
    client, log = ranking
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    response = client.post("/v1/rank", content=content, headers={"content-type": "application/json"})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["field"]) == (status, code, field)
    assert log.rows == []


def test_limits_are_those_of_predict(ranking: tuple[TestClient, MemoryLog]) -> None:
    """Size and content type, and the method."""
    client, _ = ranking
    assert client.post("/v1/rank", json={"candidates": [ROW | {"colour": "x" * 20_000}]}).status_code == 413
    assert client.post("/v1/rank", content="{}", headers={"content-type": "text/plain"}).status_code == 415
    assert client.get("/v1/rank").status_code == 405


def test_a_model_of_several_classes_has_no_one_score() -> None:
    """It says so instead of choosing one."""
    with pytest.raises(RequestError) as caught:
        rank(served("multiclass"), json.dumps({"candidates": [ROW]}).encode(), 5)
    assert (caught.value.status, caught.value.body.error.code) == (422, "no_score")


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
VALUES = {
    "age": st.none() | NUMBERS,
    "balance.eur": st.none() | NUMBERS,
    "tiny": NUMBERS,
    "colour": st.sampled_from([None, "red", "blue", "a:b", "20 %", "größe"]),
    "member": st.none() | st.booleans(),
}


@settings(max_examples=200)
@given(st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=4), st.none() | st.integers(1, 4) | st.just(2.0))
def test_both_readers_read_the_same(rows: list[dict[str, Any]], k: float | None) -> None:
    """As for /v1/predict."""
    body = json.dumps({"candidates": rows} | ({} if k is None else {"k": k})).encode()
    found = READER.read_candidates(body, 4)
    if k is None:
        assert found.best == 4
        body = json.dumps({"candidates": rows, "k": 4}).encode()
    matrix, unseen, wanted = decode_candidates(body, SCHEMA, 4)
    assert (found.count, found.best, list(unseen)) == (len(matrix), wanted, [])
    assert np.array_equal(np.frombuffer(found.vectors), matrix.ravel(), equal_nan=True)
