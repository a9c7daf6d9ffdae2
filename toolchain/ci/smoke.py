"""Whether an environment answers: every model is asked for predictions, as a client asks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from toolchain.api_key import API_KEY, key_headers
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY
from toolchain.progress import console

REQUESTS: Final = 20
"""Asked of each model one after the other: with two to three pods, each is met."""

_PATIENCE_SECONDS: Final = 120
"""A load balancer takes up to two minutes to find new pods."""

_TIMEOUT_SECONDS: Final = 10


class _KeyWantedError(Exception):
    """It answers, and asks for a key that this process has not."""


class _NoAnswerError(Exception):
    """No answer, or an error: before the first answer, it may become one in a moment."""


def smoke(
    urls: Mapping[str, str],
    session: httpx.Client | None = None,
    models: Path = REPOSITORY / "models",
    patience_seconds: float = _PATIENCE_SECONDS,
) -> None:
    """Ask every model; from its first answer on, each must be right.

    A model that wants a key, where `SCORING_API_KEY` has none, is up and lets no stranger in: that is told, and passes.

    Args:
        urls: model name to where it is asked, as the stack's output `scoring_urls` has it.
        session: what asks.
        models: a folder a model, with `sample_request.json`.
        patience_seconds: how long the first answer may take.

    Raises:
        ToolchainError: a model does not answer, or answers wrongly; it says which and what.
    """
    if not urls:
        raise ToolchainError("the smoke test", "the stack has no `scoring_urls`", "look at `pulumi stack output`")
    with session or httpx.Client(timeout=_TIMEOUT_SECONDS) as asking:
        for model, url in urls.items():
            file = models / model.replace("-", "_") / "sample_request.json"
            request = json.loads(file.read_text(encoding="utf-8"))
            try:
                for attempt in Retrying(
                    retry=retry_if_exception_type(_NoAnswerError),
                    stop=stop_after_delay(patience_seconds),
                    wait=wait_fixed(min(2, patience_seconds / 10)),
                    reraise=True,
                ):
                    with attempt:
                        _ask(asking, url, model, request)
                for _ in range(REQUESTS - 1):
                    _ask(asking, url, model, request)
            except _KeyWantedError:
                console.print(f"{model} at {url} wants a key: without {API_KEY} it is not asked further", markup=False)
            except _NoAnswerError as error:
                way_out = "see the pods' logs; monitoring/runbooks/ScoringDown.md begins there"
                raise ToolchainError("the smoke test", f"{model} at {url}: {error}", way_out) from None


def _ask(session: httpx.Client, url: str, model: str, request: Mapping[str, list[object]]) -> None:
    try:
        answer = session.post(f"{url}/v1/predict", json=request, headers=key_headers())
    except httpx.HTTPError as error:
        raise _NoAnswerError(str(error) or type(error).__name__) from error
    if answer.status_code == httpx.codes.UNAUTHORIZED and not key_headers():
        raise _KeyWantedError
    if answer.is_error:
        message = f"status {answer.status_code}"
        raise _NoAnswerError(message)
    told = answer.json()
    rows, found = len(request["rows"]), len(told.get("predictions", ()))
    if told.get("model", {}).get("name") != model or found != rows:
        raise ToolchainError(
            "the smoke test",
            f"{model} at {url} is answered by {told.get('model')} with {found} predictions of {rows}",
            "look at what the address leads to",
        )
