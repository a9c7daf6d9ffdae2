"""The HTTP face: right answers, and for every wrong request one that names what is wrong."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
import structlog
from fastapi.testclient import TestClient
from retraining.training import Trained
from scoring.app import Dependencies
from scoring.champion import ChampionHolder, NotReady, ServedModel

OpenClient = Callable[[Dependencies], TestClient]
JSON = {"content-type": "application/json"}


class SpyPredictor:
    """Notes the thread each batch is scored on."""

    def __init__(self) -> None:
        """Starts with an empty note."""
        self.threads: list[str] = []

    def predict_row(self, vector: bytes) -> list[float]:
        """See Predictor."""
        return self.predict_rows(vector, 1)

    def predict_rows(self, _vectors: bytes, rows: int) -> list[float]:
        """See Predictor."""
        self.threads.append(threading.current_thread().name)
        return [0.5] * rows


class BrokenPredictor:
    """Fails with a text that must not get out."""

    def predict_row(self, vector: bytes) -> list[float]:
        """See Predictor."""
        return self.predict_rows(vector, 1)

    def predict_rows(self, vectors: bytes, _rows: int) -> list[float]:
        """See Predictor."""
        message = f"secret {vectors!r}"
        raise RuntimeError(message)


def _serving(dependencies: Dependencies, model: ServedModel, predictor: object) -> Dependencies:
    dependencies.champion.current = replace(model, predictor=predictor)  # type: ignore[arg-type] # a fake
    return dependencies


def _unready(dependencies: Dependencies, reason: NotReady) -> Dependencies:
    champion = ChampionHolder()
    champion.current = reason
    return replace(dependencies, champion=champion)


def _sample(client: TestClient, name: str, **labels: str) -> float:
    wanted = "{" + ",".join(f'{key}="{value}"' for key, value in sorted(labels.items())) + "}" if labels else ""
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(f"{name}{wanted} "):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def test_the_answer_is_booster_predict_of_the_same_rows(client: TestClient, trained: Trained) -> None:
    """Bit for bit after JSON and back, with missing values among them, in the order of the rows."""
    rows = [trained.holdout.row(i) for i in range(20)] + [dict(trained.parity[-1].features)]
    assert None in rows[-1].values()
    response = client.post("/v1/predict", json={"rows": rows})
    assert response.status_code == 200
    matrix = np.array([trained.train.schema.encode(row) for row in rows])
    expected = np.asarray(lgb.Booster(model_str=trained.text).predict(matrix)).tolist()
    predictions = response.json()["predictions"]
    assert [prediction["probability"] for prediction in predictions] == expected
    assert [p["class"] for p in predictions] == ["repaid" if p >= 0.5 else "not_repaid" for p in expected]


def test_the_answer_names_the_model_and_each_prediction(client: TestClient, row: dict[str, Any]) -> None:
    """Ids never repeat, within a request or between two."""
    answers = [client.post("/v1/predict", json={"rows": [row, row]}).json() for _ in range(2)]
    assert all(answer["model"] == {"name": "car-loan", "version": 1} for answer in answers)
    assert len({p["id"] for answer in answers for p in answer["predictions"]}) == 4


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"car_value": "a lot"}, "wrong_type", "rows[0].car_value"),
        ({"salary_range": "60K"}, "unknown_category", "rows[0].salary_range"),
        ({"repaid_loan_on_prev_car": 1}, "wrong_type", "rows[0].repaid_loan_on_prev_car"),
        ({"surprise": 1}, "unknown_feature", "rows[0].surprise"),
        ({"car_value": float("inf")}, "not_finite", "rows[0].car_value"),
    ],
)
def test_a_bad_feature_is_a_422_that_names_it(
    client: TestClient, row: dict[str, Any], change: dict[str, Any], code: str, field: str
) -> None:
    """In the form every error has."""
    body = json.dumps({"rows": [row | change]})
    response = client.post("/v1/predict", content=body, headers=JSON)
    assert response.status_code == 422
    error = response.json()["error"]
    assert (error["code"], error["field"]) == (code, field)
    assert error["message"]
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    [
        ("POST", "/v1/predict", b"not json", JSON, 400, "invalid_json"),
        ("POST", "/v1/predict", b"\xff", JSON, 400, "not_utf8"),
        ("POST", "/v1/predict", b"[" * 10_000, JSON, 400, "too_deep"),
        ("POST", "/v1/predict", b" " * 20_001, JSON, 413, "body_too_large"),
        ("POST", "/v1/predict", b"{}", {"content-type": "text/csv"}, 415, "unsupported_media_type"),
        ("GET", "/v1/predict", None, {}, 405, "method_not_allowed"),
        ("DELETE", "/live", None, {}, 405, "method_not_allowed"),
        ("GET", "/", None, {}, 404, "not_found"),
        ("GET", "/v1/predict/", None, {}, 404, "not_found"),
        ("POST", "/v1/../%00", b"{}", JSON, 404, "not_found"),
    ],
)
def test_every_refusal_has_one_form(  # noqa: PLR0913, PLR0917 - a table of requests
    client: TestClient,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    """Also those of the framework itself."""
    response = client.request(method, path, content=body, headers=headers)
    assert response.status_code == status
    assert set(response.json()) == {"error"}
    assert set(response.json()["error"]) == {"code", "message", "field"}
    assert response.json()["error"]["code"] == code


def test_a_body_without_end_is_refused(client: TestClient) -> None:
    """It announces no length."""
    chunks = (b" " * 10_000 for _ in range(50))
    response = client.post("/v1/predict", content=chunks, headers=JSON)
    assert response.status_code == 413
    assert response.headers["connection"] == "close"


def test_row_and_body_limits_are_those_of_the_settings(client: TestClient, row: dict[str, Any]) -> None:
    """The largest request that is allowed is answered."""
    assert client.post("/v1/predict", json={"rows": [row] * 50}).status_code == 200
    refused = client.post("/v1/predict", json={"rows": [row] * 51})
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "too_many_rows"


def test_large_bodies_are_scored_off_the_event_loop_and_small_ones_on_it(
    open_client: OpenClient, dependencies: Dependencies, model: ServedModel, row: dict[str, Any]
) -> None:
    """So that a batch does not hold up the probes, and a row does not pay for a thread."""
    spy = SpyPredictor()
    client = open_client(_serving(dependencies, model, spy))
    client.post("/v1/predict", json={"rows": [row]})
    client.post("/v1/predict", json={"rows": [row] * 50})
    small, large = spy.threads
    assert not small.startswith("batch")
    assert large.startswith("batch")


def test_the_threshold_belongs_to_the_second_class(
    open_client: OpenClient, dependencies: Dependencies, model: ServedModel, row: dict[str, Any]
) -> None:
    """A probability of exactly 0.5 at a threshold of 0.5."""
    client = open_client(_serving(dependencies, model, SpyPredictor()))
    assert client.post("/v1/predict", json={"rows": [row]}).json()["predictions"][0]["class"] == "repaid"


@pytest.mark.parametrize("rows", [1, 50], ids=["on the loop", "off the loop"])
def test_a_failure_inside_says_nothing_of_its_cause(
    open_client: OpenClient, dependencies: Dependencies, model: ServedModel, row: dict[str, Any], rows: int
) -> None:
    """To the client a 500 in the usual form, to the log type and place, to the metrics a status."""
    client = open_client(_serving(dependencies, model, BrokenPredictor()))
    with structlog.testing.capture_logs() as lines:
        response = client.post("/v1/predict", json={"rows": [row] * rows})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal"
    assert "secret" not in response.text
    (line,) = lines
    assert (line["event"], line["error_type"]) == ("request_failed", "RuntimeError")
    assert "secret" not in json.dumps(line)
    assert _sample(client, "scoring_request_duration_seconds_count", route="/v1/predict", status="500") == 1


@pytest.mark.parametrize(
    "reason",
    [
        NotReady("starting", "a"),
        NotReady("waiting_for_champion", "b"),
        NotReady("store_unavailable", "c"),
        NotReady("model_refused", "The champion was refused: sha256_mismatch."),
    ],
)
def test_without_a_model_the_process_lives_and_is_not_ready(
    open_client: OpenClient, dependencies: Dependencies, row: dict[str, Any], reason: NotReady
) -> None:
    """Readiness gives the reason, and predictions are put off rather than failed."""
    client = open_client(_unready(dependencies, reason))
    assert client.get("/live").status_code == 200
    for response in (client.get("/ready"), client.post("/v1/predict", json={"rows": [row]})):
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert response.json()["error"]["code"] == reason.code
        assert response.json()["error"]["message"] == reason.message


def test_a_draining_process_answers_but_is_not_ready(
    open_client: OpenClient, dependencies: Dependencies, row: dict[str, Any]
) -> None:
    """It takes itself out of the balance and serves who still comes."""
    client = open_client(replace(dependencies, is_draining=lambda: True))
    assert client.get("/ready").status_code == 503
    assert client.get("/ready").json()["error"]["code"] == "draining"
    assert client.get("/live").status_code == 200
    assert client.post("/v1/predict", json={"rows": [row]}).status_code == 200


def test_ready_names_the_model(client: TestClient) -> None:
    """For people and for rollouts."""
    assert client.get("/ready").json() == {"status": "ready", "model": {"name": "car-loan", "version": 1}}


def test_what_runs_in_the_background_starts_and_ends_with_the_application(
    open_client: OpenClient, dependencies: Dependencies
) -> None:
    """It is cancelled at shutdown."""
    told: list[str] = []

    async def background() -> None:
        told.append("started")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    client = open_client(replace(dependencies, background=background))
    assert client.get("/live").status_code == 200
    assert told == ["started"]
    client.__exit__(None, None, None)
    assert told == ["started", "cancelled"]


def test_metrics_count_requests_by_route_and_status_and_rows_by_version(
    client: TestClient, row: dict[str, Any]
) -> None:
    """Unknown paths share one label, so that a scanner cannot fill the memory."""
    client.post("/v1/predict", json={"rows": [row] * 3})
    client.post("/v1/predict", json={"rows": []})
    for path in ("/a", "/b", "/c"):
        client.get(path)
    count = "scoring_request_duration_seconds_count"
    assert _sample(client, count, route="/v1/predict", status="200") == 1
    assert _sample(client, count, route="/v1/predict", status="422") == 1
    assert _sample(client, count, route="unmatched", status="404") == 3
    assert _sample(client, "scoring_predictions_total", model="car-loan", version="1") == 3
    assert _sample(client, "scoring_requests_in_flight") == 1  # the scrape itself


def test_metrics_speak_both_formats(client: TestClient) -> None:
    """Prometheus asks for OpenMetrics and falls back to text."""
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")
    asked = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert asked.headers["content-type"].startswith("application/openmetrics-text")
    assert asked.text.endswith("# EOF\n")


def test_the_document_describes_the_model_that_serves(client: TestClient, row: dict[str, Any]) -> None:
    """Every feature with its type; what the document forbids, the service refuses."""
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert list(schemas["Row"]["properties"]) == list(row)
    assert schemas["Row"]["additionalProperties"] is False
    assert schemas["PredictRequest"]["properties"]["rows"]["maxItems"] == 50


def test_every_status_the_service_answers_is_in_the_document_and_every_reference_resolves(
    client: TestClient,
) -> None:
    """Complete, and true in itself."""
    document = client.get("/openapi.json").json()
    responses = document["paths"]["/v1/predict"]["post"]["responses"]
    assert set(responses) == {"200", "400", "408", "413", "415", "422", "429", "500", "503", "401"}
    references = set(_references(document))
    assert references
    assert references <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_the_document_says_which_routes_want_a_key(open_client: OpenClient, dependencies: Dependencies) -> None:
    """Those that refuse a request without one, and no other; none where there are no keys."""
    settings = dependencies.settings.model_copy(update={"api_keys_sha256": ("0" * 64,)})
    client = open_client(replace(dependencies, settings=settings))
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            refused = client.request(method, path.format(model="car-loan", version=1)).status_code == 401
            assert (operation.get("security") == [{"key": []}, {"bearer": []}]) == refused, path
    assert "security" not in open_client(dependencies).get("/openapi.json").text


def test_answers_have_the_properties_the_document_says(client: TestClient, row: dict[str, Any]) -> None:
    """Of a success and of an error."""
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    answer = client.post("/v1/predict", json={"rows": [row]}).json()
    assert set(answer) == set(schemas["PredictResponse"]["properties"])
    assert set(answer["predictions"][0]) == {"id", "probability", "class"}
    assert set(answer["predictions"][0]) <= set(schemas["Prediction"]["properties"])
    error = client.post("/v1/predict", json={}).json()
    assert set(error) == set(schemas["ErrorResponse"]["properties"])
    assert set(error["error"]) == set(schemas["ErrorBody"]["properties"])


def test_the_document_is_there_before_the_model(open_client: OpenClient, dependencies: Dependencies) -> None:
    """With rows of any features."""
    client = open_client(_unready(dependencies, NotReady("starting", "")))
    row = client.get("/openapi.json").json()["components"]["schemas"]["Row"]
    assert "properties" not in row


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
