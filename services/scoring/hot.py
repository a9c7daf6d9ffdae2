"""Predictions, served ahead of the framework: its routing took three times what the rest of a request takes.

FastAPI's document lists these routes all the same (`scoring.app`), and whatever is not one of them goes there. What can
be answered without waiting never comes this far: `scoring.connection` asks `HotRoutes.at_once` first.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from lifecycle.logs import error_facts
from starlette.types import ASGIApp, Receive, Scope, Send

from scoring.admission import Admission, request_name
from scoring.body import read_body, refuse_unless_json
from scoring.champion import ChampionHolder, NotReady, ServedModel
from scoring.errors import RequestError
from scoring.identifiers import new_id
from scoring.metrics import Metrics
from scoring.open_inference import infer
from scoring.prediction import Scored, predict, rank
from scoring.recording import LogUnavailableError, PredictionLog, ScoredRows
from scoring.refusals import INTERNAL, refusal
from scoring.settings import ScoringSettings
from scoring.shadow import Shadow
from scoring.trial import Trial

PATHS: Final = (b"/v1/predict", b"/v1/rank", b"/v2/models/")
"""What the paths of these routes begin with."""
PREDICT: Final = "/v1/predict"
RANK: Final = "/v1/rank"
INFER: Final = "/v2/models/{model}/infer"
INFER_VERSION: Final = "/v2/models/{model}/versions/{version}/infer"

_PREDICT_PATH: Final = PREDICT.encode()
_PREDICT_ASKED: Final = (PREDICT, None)
_NO_HEADERS: Final[list[tuple[bytes, bytes]]] = []
_CONTENT_TYPE: Final = (b"content-type", b"application/json")

Work: TypeAlias = Callable[..., Scored]
"""(model, body, max_rows, request_id, *, on_loop) -> Scored"""


@dataclass(frozen=True, slots=True)
class Target:
    """The model version that a path names."""

    model: str
    version: str | None


def serving(champion: ChampionHolder, target: Target | None = None) -> ServedModel:
    """The model that serves.

    Raises:
        RequestError: there is none (503), or it is not the one that is asked for (404).
    """
    current = champion.current
    if isinstance(current, NotReady):
        raise RequestError(503, current.code, current.message)
    if target is not None:
        reference = current.reference
        if target.model != reference.name:
            raise RequestError(404, "unknown_model", f"The model served here is {reference.name}.", "model")
        if target.version not in {None, str(reference.version)}:
            raise RequestError(404, "unknown_version", f"The version served here is {reference.version}.", "version")
    return current


class HotRoutes:
    """ASGI application: answers predictions itself and hands everything else on."""

    def __init__(  # noqa: PLR0913, PLR0917 - what the two routes need, given once
        self,
        app: ASGIApp,
        settings: ScoringSettings,
        champion: ChampionHolder,
        metrics: Metrics,
        admission: Admission,
        batches: Executor,
        log: PredictionLog | None,
    ) -> None:
        """Args: the application behind; settings; the model; metrics; who is let in; threads for batches; the log."""
        self._app: Final = app
        self._settings: Final = settings
        self._champion: Final = champion
        self._metrics: Final = metrics
        self._admission: Final = admission
        self._batches: Final = batches
        self._predictions: Final = log
        self._shadow: Final = Shadow(metrics.trial, log, lambda challenger: champion.challenger is challenger)
        self._waits_for_log: Final = log is not None and settings.log_mode != "async"
        self._answered: Final = {route: metrics.answered(route) for route in (PREDICT, RANK, INFER, INFER_VERSION)}
        self._inline_bytes: Final = settings.inline_body_bytes
        self._max_rows: Final = settings.max_rows
        self._log: Final = structlog.stdlib.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            asked = _asked(scope["path"])
            if asked is not None:
                return await self._answer(scope, receive, send, asked)
        return await self._app(scope, receive, send)

    def at_once(self, path: bytes, headers: Mapping[bytes, bytes], body: bytes) -> tuple[bytes, bytes] | None:
        """The answer to a POST, as its X-Request-ID and its body, where nothing has to be waited for.

        None: it is for the application itself to answer, or to refuse; nothing was recorded or counted.
        """
        if self._waits_for_log or not self._is_short(body):
            return None
        started = time.perf_counter()
        asked = _PREDICT_ASKED if path == _PREDICT_PATH else _asked(path.decode("latin-1"))
        if asked is None:
            return None
        route, target = asked
        own_name = new_id()
        admission = self._admission
        admission.in_flight += 1
        try:
            admission.check(headers)
            work, champion = _work(headers, route, target), serving(self._champion, target)
            if self._champion.challenger is None or (trial := self._trial(headers, asked, body, own_name)) is None:
                scored = work(champion, body, self._max_rows, own_name)
            else:
                scored = trial.answer(champion)
            if self._predictions is not None:
                self._predictions.write(_record(scored))
        except Exception:  # noqa: BLE001 - the application meets it again, and says what is wrong
            return None
        finally:
            admission.in_flight -= 1
        self._count(scored)
        self._answered[route].observe(time.perf_counter() - started)
        return request_name(headers, own_name), scored.body

    async def _answer(self, scope: Scope, receive: Receive, send: Send, asked: tuple[str, Target | None]) -> None:
        started = time.perf_counter()
        route, target = asked
        headers = dict(scope["headers"])
        own_name = new_id()
        name = request_name(headers, own_name)
        admission = self._admission
        admission.in_flight += 1
        status = 200
        try:
            admission.check(headers)
            scored = await self._scored(headers, receive, asked, own_name)
            if self._predictions is not None:
                await _kept(self._predictions, scored)
            self._count(scored)
            body, extra = scored.body, _NO_HEADERS
        except RequestError as error:
            status = 400 if target is not None and error.status == 422 else error.status  # noqa: PLR2004 - the protocol's
            self._metrics.rejected(error.body.error.code)
            if error.feature is not None:
                self._unseen(error.feature)
            body, extra = refusal(error, open_inference=target is not None)
        except Exception as error:  # noqa: BLE001 - the client must get an answer, the log the place
            status = 500
            self._log.error("request_failed", method="POST", request_id=name.decode(), **error_facts(error))
            body, extra = INTERNAL[target is not None], _NO_HEADERS
        finally:
            admission.in_flight -= 1
            self._metrics.request(route, status, time.perf_counter() - started)
        length = (b"content-length", str(len(body)).encode())
        answer = [_CONTENT_TYPE, length, (b"x-request-id", name), *extra]
        await send({"type": "http.response.start", "status": status, "headers": answer})
        await send({"type": "http.response.body", "body": body})

    async def _scored(
        self, headers: dict[bytes, bytes], receive: Receive, asked: tuple[str, Target | None], request_id: str
    ) -> Scored:
        settings, (route, target) = self._settings, asked
        work = _work(headers, route, target)
        body = await read_body(headers, receive, settings.max_body_bytes, settings.body_timeout_seconds)
        champion, trial = serving(self._champion, target), self._trial(headers, asked, body, request_id)
        answer = functools.partial(work, champion, body, self._max_rows, request_id)
        if trial is not None:
            answer = functools.partial(trial.answer, champion)
        if self._is_short(body):
            return answer()
        try:
            return await self._off_the_loop(functools.partial(answer, on_loop=False))
        except TimeoutError:
            if trial is not None and trial.challenger.role == "canary" and trial.is_challengers:
                self._metrics.trial.failed(trial.challenger.model.manifest, "canary")
            message = f"No answer within {settings.batch_timeout_seconds:g} s; send fewer rows at once."
            raise RequestError(503, "too_slow", message) from None

    def _trial(
        self, headers: Mapping[bytes, bytes], asked: tuple[str, Target | None], body: bytes, request_id: str
    ) -> Trial | None:
        """What a challenger has to do with a request; None where there is none, or the request names its version."""
        challenger, (route, target) = self._champion.challenger, asked
        if challenger is None or (target is not None and target.version is not None):
            return None
        work, most = _work(headers, route, target), self._max_rows

        def score(model: ServedModel, *, on_loop: bool) -> Scored:
            return work(model, body, most, request_id, on_loop=on_loop)

        return Trial(challenger, request_name(headers, request_id), score, len(body))

    def _is_short(self, body: bytes) -> bool:
        if len(body) > self._inline_bytes:
            return False
        # The model's contributions take a hundred times its prediction: off the loop, whatever the size. They are asked
        # for before or after the rows; looking at both ends first saves the search of nearly every body.
        # A name with a letter written as an escape may be that one.
        # Of candidates there are none.
        if (body.startswith(b'{"rows"') and body.endswith(b"}]}")) or body.startswith(b'{"candidates"'):
            return True
        return b'"contributions"' not in body and b"\\u00" not in body

    async def _off_the_loop(self, work: Callable[[], Scored]) -> Scored:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._settings.batch_timeout_seconds):
            return await loop.run_in_executor(self._batches, work)

    def _count(self, scored: Scored) -> None:
        manifest = scored.model.manifest
        self._metrics.predicted(manifest, scored.outputs, scored.predictor_seconds)
        for hits in scored.rows.guards:
            self._metrics.guard_hits.labels(manifest.model, hits.feature, hits.kind).inc(hits.count)
        if scored.rows.unusual:
            self._metrics.unusual(manifest, scored.rows.unusual.values())
        if scored.trial is not None:
            self._count_trial(scored, scored.trial)

    def _count_trial(self, scored: Scored, trial: Trial) -> None:
        if trial.challenger is not self._champion.challenger:
            return  # it was over before the answer was
        if trial.challenger.role == "canary":
            self._metrics.trial.answered(scored.model.manifest, scored.role, scored.outputs, scored.seconds)
            if trial.failed:
                self._metrics.trial.failed(trial.challenger.model.manifest, "canary")
        elif trial.is_challengers and not scored.rows.contributions:
            self._shadow.offer(scored, trial)

    def _unseen(self, feature: str) -> None:
        current = self._champion.current
        if isinstance(current, ServedModel):
            self._metrics.guard_hits.labels(current.manifest.model, feature, "unseen").inc()


def _asked(path: str) -> tuple[str, Target | None] | None:
    """The route of a path, and the model that it names; None where it is not one of these."""
    if path == PREDICT:
        return PREDICT, None
    if path == RANK:
        return RANK, None
    if path.startswith("/v2/models/") and path.endswith("/infer"):
        match path.split("/"):
            case [_, _, _, model, _]:
                return INFER, Target(model, None)
            case [_, _, _, model, "versions", version, _]:
                return INFER_VERSION, Target(model, version)
    return None


def _work(headers: Mapping[bytes, bytes], route: str, target: Target | None) -> Work:
    if target is None:
        refuse_unless_json(headers)
        return rank if route == RANK else predict
    return functools.partial(infer, json_bytes=_json_bytes(headers))


def _record(scored: Scored) -> ScoredRows:
    return ScoredRows(
        scored.model, scored.role, time.time_ns() // 1000, scored.ids, scored.rows.vectors, scored.outputs
    )


async def _kept(log: PredictionLog, scored: Scored) -> None:
    try:
        waiting = log.write(_record(scored))
        if waiting is not None:
            await waiting
    except LogUnavailableError:
        message = "The prediction could not be recorded, so it is not given; send it again."
        raise RequestError(503, "log_unavailable", message) from None


def _json_bytes(headers: Mapping[bytes, bytes]) -> int | None:
    """Where the JSON ends and binary data begins, by Triton's header.

    Clients of the protocol send any content type, so none is refused.
    """
    given = headers.get(b"inference-header-content-length")
    if given is None:
        return None
    if not given.isdigit() or len(given) > 10:  # noqa: PLR2004 - digits of the largest body
        message = "Inference-Header-Content-Length must be a number of bytes."
        raise RequestError(400, "bad_request", message)
    return int(given)
