"""The HTTP application: routes, and nothing that is not about HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request
from prometheus_client import exposition
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from scoring.body import read_json_body
from scoring.champion import ChampionHolder, NotReady, ServedModel
from scoring.errors import ErrorBody, ErrorCode, ErrorResponse, RequestError
from scoring.metrics import Metrics
from scoring.observation import Observation
from scoring.openapi import answers, components, request_body
from scoring.prediction import predict
from scoring.settings import ScoringSettings
from scoring.wire import Live, Ready, encode_json

_RETRY_AFTER_SECONDS: Final = 2
_CODES: Final[dict[int, tuple[ErrorCode, str]]] = {
    404: ("not_found", "There is no such path; see /openapi.json."),
    405: ("method_not_allowed", "The path has no such method; see /openapi.json."),
}


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the application is given."""

    settings: ScoringSettings
    champion: ChampionHolder
    metrics: Metrics
    background: Callable[[], Coroutine[Any, Any, None]]
    """Runs beside the requests, from start to shutdown or until it ends: what fills `champion`."""
    is_draining: Callable[[], bool]
    """Whether the process was told to stop."""


def create_app(dependencies: Dependencies) -> FastAPI:
    """The application, ready to be served."""
    settings, champion, metrics = dependencies.settings, dependencies.champion, dependencies.metrics
    batches = ThreadPoolExecutor(settings.batch_threads, thread_name_prefix="batch")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(dependencies.background())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            batches.shutdown()

    app = _ScoringApp(champion, settings.max_rows, lifespan)
    app.add_exception_handler(RequestError, _on_request_error)
    app.add_exception_handler(HTTPException, _on_http_error)

    @app.post(
        "/v1/predict",
        summary="Score rows of features",
        responses=answers(
            "PredictResponse", 400, 408, 413, 415, 422, 500, 503, description="A prediction for each row, in order."
        ),
        openapi_extra=request_body("PredictRequest"),
    )
    async def predict_rows(request: Request) -> Response:
        """Scores one row or many. The order of features does not matter; a missing value is null where allowed."""
        body = await read_json_body(request, settings.max_body_bytes, settings.body_timeout_seconds)
        model = _serving(champion)
        if len(body) <= settings.inline_body_bytes:
            answer = _answer(model, body, settings.max_rows)
        else:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(batches, _answer, model, body, settings.max_rows)
        metrics.predictions.labels(model.manifest.model, str(model.manifest.version)).inc(answer.rows)
        return _json(answer.body)

    @app.get("/live", summary="Is the process alive", responses=answers("Live", description="It is."))
    async def live() -> Response:
        """Answers as long as the event loop turns, model or not."""
        return _json(encode_json(Live()))

    @app.get(
        "/ready",
        summary="Are predictions answered",
        responses=answers("Ready", 503, description="They are, by this model."),
    )
    async def ready() -> Response:
        """Not before the champion is loaded and checked, and no longer once the process is told to stop."""
        if dependencies.is_draining():
            raise _unavailable("draining", "The process is about to stop.")
        return _json(encode_json(Ready(_serving(champion).reference)))

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
    async def prometheus(request: Request) -> Response:
        """The metrics of this process, as text or as OpenMetrics."""
        encoder, content_type = exposition.choose_encoder(request.headers.get("accept", ""))
        return Response(encoder(metrics.registry), headers={"content-type": content_type})

    app.add_middleware(Observation, metrics=metrics, routes=[*app.openapi()["paths"], "/openapi.json"])
    return app


class _ScoringApp(FastAPI):
    """FastAPI whose document follows the model that serves."""

    def __init__(self, champion: ChampionHolder, max_rows: int, lifespan: Any) -> None:  # noqa: ANN401 - Starlette's own type is private
        super().__init__(
            title="Scoring",
            version="1",
            description="Predictions of the champion model. Every error has the form of ErrorResponse.",
            lifespan=lifespan,
            # The pages load scripts from elsewhere; the document is what clients want.
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        self._champion = champion
        self._max_rows = max_rows

    def openapi(self) -> dict[str, Any]:
        """The document, with the features of the model that serves now."""
        document = super().openapi()
        current = self._champion.current
        schema = current.manifest.feature_schema if isinstance(current, ServedModel) else None
        return document | {"components": {"schemas": components(schema, self._max_rows)}}


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    rows: int


def _answer(model: ServedModel, body: bytes, max_rows: int) -> _Answer:
    response = predict(model, body, max_rows)
    return _Answer(encode_json(response), len(response.predictions))


def _serving(champion: ChampionHolder) -> ServedModel:
    current = champion.current
    if isinstance(current, NotReady):
        raise _unavailable(current.code, current.message)
    return current


def _unavailable(code: ErrorCode, message: str) -> RequestError:
    return RequestError(503, code, message)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


async def _on_request_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestError):
        raise error
    response = _json(encode_json(error.body), error.status)
    if error.status == 503:  # noqa: PLR2004 - reads best as the number
        response.headers["retry-after"] = str(_RETRY_AFTER_SECONDS)
    if error.close:
        response.headers["connection"] = "close"
    return response


async def _on_http_error(_request: Request, error: Exception) -> Response:
    """What the framework refuses by itself, in the same form."""
    if not isinstance(error, HTTPException):
        raise error
    code, message = _CODES.get(error.status_code, ("bad_request", "The request cannot be answered."))
    response = _json(encode_json(ErrorResponse(ErrorBody(code, message))), error.status_code)
    response.headers.update(error.headers or {})
    return response
