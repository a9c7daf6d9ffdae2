"""A smoke test passes where every model answers rightly, every time, and fails wherever one does not."""

import json
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path

import httpx
import pytest

from toolchain.ci.smoke import REQUESTS, smoke
from toolchain.errors import ToolchainError

URLS = {"car-loan": "http://scoring.example"}
GOOD = {"model": {"name": "car-loan", "version": 3}, "predictions": [{}]}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """One model, with one row to ask."""
    (tmp_path / "car_loan").mkdir()
    (tmp_path / "car_loan" / "sample_request.json").write_text(json.dumps({"rows": [{"a": 1}]}), encoding="utf-8")
    return tmp_path


def answering(answers: Iterator[httpx.Response]) -> tuple[httpx.Client, Callable[[], int]]:
    """A client whose requests are answered one after the other, and how many there were."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        assert request.url.path == "/v1/predict"
        return next(answers)

    return httpx.Client(transport=httpx.MockTransport(answer)), lambda: len(asked)


def ok() -> httpx.Response:
    """A right answer."""
    return httpx.Response(200, json=GOOD)


def test_a_model_that_comes_up_late_and_stays_up_passes(models: Path) -> None:
    """Until the first answer errors are waited out."""
    late = (httpx.Response(503) for _ in range(3))
    client, asked = answering(chain(late, (ok() for _ in repeat(None))))
    smoke(URLS, client, models, patience_seconds=5)
    assert asked() == 3 + REQUESTS


def test_one_error_after_the_first_answer_fails(models: Path) -> None:
    """One bad pod of twenty requests is a bad release."""
    client, _ = answering(chain([ok(), ok(), httpx.Response(500)], (ok() for _ in repeat(None))))
    with pytest.raises(ToolchainError, match=r"car-loan at http://scoring\.example: status 500"):
        smoke(URLS, client, models, patience_seconds=5)


def test_a_model_that_never_answers_fails_when_patience_is_over(models: Path) -> None:
    """With the last thing that was seen."""
    client, _ = answering(httpx.Response(503) for _ in repeat(None))
    with pytest.raises(ToolchainError, match="status 503"):
        smoke(URLS, client, models, patience_seconds=0.1)


@pytest.mark.parametrize(
    "told", [{**GOOD, "predictions": []}, {**GOOD, "model": {"name": "other", "version": 1}}, {"hello": "world"}]
)
def test_another_models_answer_or_too_few_predictions_fail(models: Path, told: object) -> None:
    """What answers 200 is not yet the model."""
    client, _ = answering(httpx.Response(200, json=told) for _ in repeat(None))
    with pytest.raises(ToolchainError, match="is answered by"):
        smoke(URLS, client, models, patience_seconds=0.1)


def test_a_stack_without_models_fails(models: Path) -> None:
    """Nothing asked is nothing tested."""
    with pytest.raises(ToolchainError, match="no `scoring_urls`"):
        smoke({}, None, models)


def test_a_model_that_wants_a_key_is_shown_the_one_that_there_is(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, its refusal says that it is up; with a wrong one, the release fails."""

    def answer(request: httpx.Request) -> httpx.Response:
        return ok() if request.headers.get("x-api-key") == "right" else httpx.Response(401)

    def client() -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(answer))

    smoke(URLS, client(), models, patience_seconds=0.1)
    monkeypatch.setenv("SCORING_API_KEY", "right")
    smoke(URLS, client(), models, patience_seconds=0.1)
    monkeypatch.setenv("SCORING_API_KEY", "wrong")
    with pytest.raises(ToolchainError, match="status 401"):
        smoke(URLS, client(), models, patience_seconds=0.1)
