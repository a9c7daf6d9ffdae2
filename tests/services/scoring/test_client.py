"""The client reads what the service writes, and comes again when it is told to."""

import httpx
import pytest
from scoring.client import RefusedError, ScoringClient

ANSWER = {"model": {"name": "m", "version": 2}, "predictions": [{"id": "0" * 32, "probability": 0.25, "class": "no"}]}
BUSY = {"error": {"code": "too_many_requests", "message": "busy", "field": None}}
WRONG = {"error": {"code": "wrong_type", "message": "Expected a number.", "field": "rows[0].age"}}


def _client(responses: list[httpx.Response], seen: list[httpx.Request], pauses: list[float]) -> ScoringClient:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return responses.pop(0)

    return ScoringClient("http://scoring", api_key="secret", transport=httpx.MockTransport(answer), sleep=pauses.append)


def test_a_busy_service_is_asked_again_after_the_time_it_names() -> None:
    """With the same body and the key."""
    seen: list[httpx.Request] = []
    pauses: list[float] = []
    busy = httpx.Response(429, json=BUSY, headers={"retry-after": "3"})
    with _client([busy, httpx.Response(200, json=ANSWER)], seen, pauses) as client:
        answer = client.predict([{"age": 1}])
    assert (answer.model.version, answer.predictions[0].probability, answer.predictions[0].class_) == (2, 0.25, "no")
    assert pauses == [3.0]
    assert [request.content for request in seen] == [b'{"rows":[{"age":1}]}'] * 2
    assert seen[0].headers["x-api-key"] == "secret"


def test_candidates_are_ranked() -> None:
    """How many are wanted is said where the caller says it."""
    seen: list[httpx.Request] = []
    ranked = {"model": ANSWER["model"], "ranking": [{"index": 1, "id": "0" * 32, "score": 2.5}]}
    with _client([httpx.Response(200, json=ranked)] * 2, seen, []) as client:
        assert [(entry.index, entry.score) for entry in client.rank([{"age": 1}, {"age": 2}], 1).ranking] == [(1, 2.5)]
        client.rank([{"age": 1}])
    assert [request.content for request in seen] == [
        b'{"candidates":[{"age":1},{"age":2}],"k":1}',
        b'{"candidates":[{"age":1}]}',
    ]


def test_patience_ends() -> None:
    """After the last attempt the service's own words are raised."""
    pauses: list[float] = []
    with _client([httpx.Response(503, json=BUSY)] * 4, [], pauses) as client, pytest.raises(RefusedError, match="busy"):
        client.label({"0" * 32: "no"})
    assert len(pauses) == 3


@pytest.mark.parametrize(
    ("response", "code", "field"),
    [
        (httpx.Response(422, json=WRONG), "wrong_type", "rows[0].age"),
        (httpx.Response(502, text="<html>"), "unknown", None),
    ],
)
def test_what_is_wrong_is_not_sent_again(response: httpx.Response, code: str, field: str | None) -> None:
    """The error names the field; what is not the service's has no name."""
    pauses: list[float] = []
    with _client([response], [], pauses) as client, pytest.raises(RefusedError) as caught:
        client.predict([{}])
    assert (caught.value.code, caught.value.field, pauses) == (code, field, [])
