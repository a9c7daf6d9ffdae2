"""`make retrain` starts a run, waits for its end and shows it."""

import json
from typing import Any

import httpx
import pytest

from toolchain import retraining
from toolchain.errors import ToolchainError
from toolchain.progress import console
from toolchain.retraining import Receiver

JOB = "retraining-car-loan-2"
ENDED = {
    "job": JOB,
    "model": "car-loan",
    "state": "ended",
    "result": "refused",
    "cause": "gates",
    "message": "metric: AUC 0.9 against 0.95",
    "version": 3,
    "champion_version": 1,
}


def _receiver(*answers: tuple[int, Any]) -> tuple[Receiver, list[httpx.Request]]:
    """A receiver that gives these answers in turn, and what it was asked."""
    asked: list[httpx.Request] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        status, body = left.pop(0)
        return httpx.Response(status, json=body)

    client = httpx.Client(base_url="http://receiver", transport=httpx.MockTransport(answer))
    return Receiver(client, wait=lambda: None), asked


def test_a_run_is_started_and_waited_for() -> None:
    """Of the runs that bear the Job's name, the newest, and only once it has ended."""
    running = {"job": JOB, "state": "running"}
    receiver, asked = _receiver(
        (202, {"job": JOB}),
        (200, {"runs": []}),
        (200, {"runs": [running]}),
        (200, {"runs": [ENDED, {**ENDED, "version": 2}]}),
    )
    assert receiver.start("car-loan") == JOB
    assert receiver.end_of("car-loan", JOB)["version"] == 3
    assert json.loads(asked[0].content) == {"model": "car-loan"}
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (409, {"decision": "already_running", "reason": "retraining-car-loan-1 has not ended"}, "has not ended"),
        (404, {"decision": "refused", "reason": "there is no model 'x'"}, "there is no model"),
        (422, {"error": {"code": "wrong_shape", "message": "model: too short"}}, "too short"),
        (401, {"error": {"code": "unauthorized", "message": "show the token"}}, "status 401"),
    ],
)
def test_what_starts_no_run_is_told(status: int, body: dict[str, Any], cause: str) -> None:
    """With the receiver's own words."""
    receiver, _ = _receiver((status, body))
    with pytest.raises(ToolchainError) as caught:
        receiver.start("car-loan")
    assert cause in caught.value.cause


def test_the_end_names_the_version_and_the_reason() -> None:
    """And where the evidence lies."""
    with console.capture() as captured:
        retraining.show(ENDED)
    text = captured.get()
    for said in ("refused", "AUC 0.9 against 0.95", "version 3, compared with 1", "versions/00000003/"):
        assert said in text
