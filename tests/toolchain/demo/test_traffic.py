"""Traffic sends every row once, keeps every answer, and counts what fails."""

import asyncio
import json

import httpx
import pytest

from toolchain.demo import traffic
from toolchain.demo.rows import DRIFT_BEGINS, Row, rows


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """A service that answers every row but each third, and remembers what it was asked."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path == "/v1/labels":
            return httpx.Response(200, json={})
        if len(asked) % 3 == 0:
            return httpx.Response(503)
        predictions = [{"id": f"{len(asked):032x}", "probability": 0.5, "class": "repaid"}]
        return httpx.Response(200, json={"model": {"name": "car-loan", "version": 1}, "predictions": predictions})

    client = httpx.AsyncClient
    monkeypatch.setattr(
        httpx, "AsyncClient", lambda **settings: client(**settings, transport=httpx.MockTransport(answer))
    )
    return asked


def test_every_row_is_sent_once_and_failures_are_counted(service: list[httpx.Request]) -> None:
    """By several clients, in all as many requests as rows."""
    some = [Row({"x": float(number)}, "repaid") for number in range(30)]
    outcome = asyncio.run(traffic.send("http://service", some, per_second=100_000, clients=4))
    assert sorted(json.loads(request.content)["rows"][0]["x"] for request in service) == list(map(float, range(30)))
    assert (len(outcome.answers), len(outcome.failures)) == (20, 10)
    assert all("503" in failure for failure in outcome.failures)


def test_labels_go_out_in_batches(service: list[httpx.Request]) -> None:
    """Each with the id that the service gave."""
    answers = [traffic.Answer(f"{number:032x}", 1, 0.5, Row({}, "repaid"), 0.0) for number in range(1200)]
    asyncio.run(traffic.tell("http://service", answers))
    told = [label for request in service for label in json.loads(request.content)["labels"]]
    assert [label["id"] for label in told] == [answer.prediction_id for answer in answers]
    assert len(service) == 3


def test_the_rows_are_real_typed_and_drift_where_it_is_said() -> None:
    """Car values rise by two thirds at the stated row."""
    found = rows()
    assert len(found) == 50_000
    before, after = ([row.features["car_value"] for row in found[start : start + 5000]] for start in (0, DRIFT_BEGINS))
    assert sum(after) / sum(before) > 1.5
    assert {row.label for row in found} == {"repaid", "not_repaid"}
    assert isinstance(found[0].features["repaid_loan_on_prev_car"], bool)
