"""What surrounds a prediction: its record, its metrics, its name, and how many are answered at once."""

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from scoring.app import Dependencies, create_app
from scoring.recording import LabelRecord, LogUnavailableError, ScoredRows
from scoring.wire import LabelOutcome

OpenClient = Callable[[Dependencies], TestClient]
ID = "0123456789abcdef" * 2


class MemoryLog:
    """Keeps everything; or, told to, can keep nothing."""

    def __init__(self, *, full: bool = False, waits: bool = False) -> None:
        """Args: whether it can keep nothing; whether it must be waited for."""
        self.rows: list[ScoredRows] = []
        self.labels: dict[str, float] = {}
        self.seen: set[str] = set()
        self._full = full
        self._waits = waits

    def write(self, rows: ScoredRows) -> Awaitable[None] | None:
        """See PredictionLog."""
        if self._full and not self._waits:
            raise LogUnavailableError
        if not self._waits:
            self.rows.append(rows)
            return None
        return self._write_later(rows)

    async def _write_later(self, rows: ScoredRows) -> None:
        await asyncio.sleep(0)
        if self._full:
            raise LogUnavailableError
        self.rows.append(rows)

    async def write_labels(self, labels: Sequence[LabelRecord]) -> list[LabelOutcome]:
        """See PredictionLog."""
        if self._full:
            raise LogUnavailableError
        return [self._label(label) for label in labels]

    def _label(self, label: LabelRecord) -> LabelOutcome:
        known = self.labels.setdefault(label.prediction_id, label.label)
        if known != label.label:
            return "conflict"
        outcome: LabelOutcome = "duplicate" if label.prediction_id in self.seen else "accepted"
        self.seen.add(label.prediction_id)
        return outcome


def _metric(client: TestClient, line: str) -> float:
    found = [text for text in client.get("/metrics").text.splitlines() if text.startswith(line + " ")]
    return float(found[0].rsplit(" ", 1)[1]) if found else 0.0


@pytest.mark.parametrize("waits", [False, True], ids=["handed over", "waited for"])
def test_a_prediction_is_recorded_as_it_is_answered(
    open_client: OpenClient,
    dependencies: Dependencies,
    row: dict[str, Any],
    waits: bool,  # noqa: FBT001 - both ways
) -> None:
    """The ids and outputs of the answer, and the vectors that the model saw."""
    log = MemoryLog(waits=waits)
    client = open_client(replace(dependencies, log=log))
    answer = client.post("/v1/predict", json={"rows": [row, row]}).json()
    (record,) = log.rows
    assert record.ids == [prediction["id"] for prediction in answer["predictions"]]
    assert record.outputs == [prediction["probability"] for prediction in answer["predictions"]]
    vector = struct.pack(f"{len(row)}d", *record.model.manifest.feature_schema.encode(row))
    assert record.vectors == vector * 2


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
def test_what_cannot_be_recorded_is_not_answered(
    open_client: OpenClient,
    dependencies: Dependencies,
    row: dict[str, Any],
    waits: bool,  # noqa: FBT001 - both ways
) -> None:
    """A 503 with a time to come again, for labels too."""
    client = open_client(replace(dependencies, log=MemoryLog(full=True, waits=waits)))
    label = {"labels": [{"id": ID, "label": "repaid"}]}
    for path, body in (("/v1/predict", {"rows": [row]}), ("/v1/labels", label)):
        response = client.post(path, json=body)
        assert (response.status_code, response.json()["error"]["code"]) == (503, "log_unavailable")
        assert int(response.headers["retry-after"]) > 0
    assert _metric(client, 'scoring_requests_rejected_total{reason="log_unavailable"}') == 2


def test_labels_are_taken_once_and_conflicts_told(open_client: OpenClient, dependencies: Dependencies) -> None:
    """By the class's position; sent again they change nothing."""
    log = MemoryLog()
    client = open_client(replace(dependencies, log=log))

    def outcome(*labels: str) -> list[str]:
        body = {"labels": [{"id": ID, "label": label} for label in labels]}
        return [answer["outcome"] for answer in client.post("/v1/labels", json=body).json()["labels"]]

    assert outcome("repaid") == ["accepted"]
    assert outcome("repaid", "not_repaid") == ["duplicate", "conflict"]
    assert log.labels == {ID: 1.0}
    assert _metric(client, 'scoring_labels_total{model="car-loan",outcome="conflict"}') == 1


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing_field", "labels"),
        ({"labels": []}, "no_rows", "labels"),
        ({"labels": {}}, "wrong_shape", "labels"),
        ({"labels": [1]}, "wrong_shape", "labels[0]"),
        ({"labels": [{"label": "repaid"}]}, "missing_field", "labels[0].id"),
        ({"labels": [{"id": ID}]}, "missing_field", "labels[0].label"),
        ({"labels": [{"id": ID.upper(), "label": "repaid"}]}, "wrong_type", "labels[0].id"),
        ({"labels": [{"id": 1, "label": "repaid"}]}, "wrong_type", "labels[0].id"),
        ({"labels": [{"id": ID, "label": 1}]}, "wrong_shape", "labels[0].label"),
        ({"labels": [{"id": ID, "label": "maybe"}]}, "unknown_label", "labels[0].label"),
        ({"labels": [{"id": ID, "label": "repaid", "x": 1}]}, "unknown_field", "labels[0].x"),
    ],
)
def test_a_wrong_label_is_a_422_that_names_it(
    open_client: OpenClient, dependencies: Dependencies, body: object, code: str, field: str
) -> None:
    """And none of the request is taken."""
    log = MemoryLog()
    response = open_client(replace(dependencies, log=log)).post("/v1/labels", json=body)
    assert response.status_code == 422
    assert (response.json()["error"]["code"], response.json()["error"]["field"]) == (code, field)
    assert not log.labels


def test_without_a_log_there_are_no_labels(client: TestClient) -> None:
    """They would be lost."""
    response = client.post("/v1/labels", json={"labels": [{"id": ID, "label": "repaid"}]})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "log_off")


@pytest.mark.parametrize(("sent", "echoed"), [("abc-1.2:3_4", True), ("a b", False), ("x" * 129, False), (None, False)])
@pytest.mark.parametrize("path", ["/v1/predict", "/live"])
def test_a_request_has_a_name(
    client: TestClient,
    row: dict[str, Any],
    path: str,
    sent: str | None,
    echoed: bool,  # noqa: FBT001 - a table
) -> None:
    """The client's where it is harmless, else one that no other request has."""
    headers = {} if sent is None else {"x-request-id": sent}
    method, body = ("GET", None) if path == "/live" else ("POST", {"rows": [row]})
    names = {client.request(method, path, json=body, headers=headers).headers["x-request-id"] for _ in range(2)}
    assert (names == {sent}) if echoed else len(names) == 2


def test_odd_values_and_the_models_share_are_in_the_metrics(
    open_client: OpenClient, dependencies: Dependencies, row: dict[str, Any]
) -> None:
    """An unknown category is counted although it is refused."""
    client = open_client(dependencies)
    client.post("/v1/predict", json={"rows": [row | {"car_value": 1e12}, row]})
    client.post("/v1/predict", json={"rows": [row | {"salary_range": "none"}]})
    hits = 'scoring_guard_hits_total{feature="%s",kind="%s",model="car-loan"}'
    assert _metric(client, hits % ("car_value", "out_of_range")) == 1
    assert _metric(client, hits % ("salary_range", "unseen")) == 1
    assert _metric(client, 'scoring_predictor_duration_seconds_count{model="car-loan"}') == 1
    assert _metric(client, 'scoring_prediction_output_count{model="car-loan"}') == 2
    assert _metric(client, 'scoring_requests_rejected_total{reason="unknown_category"}') == 1


def test_one_request_too_many_is_told_to_come_again(dependencies: Dependencies, row: dict[str, Any]) -> None:
    """While as many as are allowed wait for their bodies; once they are through, there is room."""
    settings = dependencies.settings.model_copy(update={"max_in_flight": 2})
    app = create_app(replace(dependencies, settings=settings))
    body = json.dumps({"rows": [row]}).encode()

    async def run() -> list[int]:
        go = asyncio.Event()
        started = asyncio.Semaphore(0)

        async def slow() -> Any:  # noqa: ANN401 - an async iterator
            started.release()
            await go.wait()
            yield body

        headers = {"content-type": "application/json"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scoring") as client:
            waiting = [asyncio.create_task(client.post("/v1/predict", content=slow(), headers=headers)) for _ in "12"]
            for _ in waiting:
                await started.acquire()
            refused = [await client.post("/v1/predict", content=body, headers=headers), await client.get("/v2")]
            assert all(int(response.headers["retry-after"]) > 0 for response in refused)
            probes = [await client.get("/live"), await client.get("/ready")]
            go.set()
            through = list(await asyncio.gather(*waiting))
            after = await client.post("/v1/predict", content=body, headers=headers)
        return [response.status_code for response in [*refused, *probes, *through, after]]

    assert asyncio.run(run()) == [429, 429, 200, 200, 200, 200, 200]
