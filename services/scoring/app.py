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

from scoring import open_inference as protocol
from scoring.admission import Admission
from scoring.body import read_body, refuse_unless_json
from scoring.champion import ChampionHolder, ServedModel
from scoring.errors import ErrorCode, RequestError
from scoring.hot import INFER, INFER_VERSION, PREDICT, RANK, HotRoutes, Target, serving
from scoring.labels import read_labels
from scoring.metrics import Metrics
from scoring.observation import OPEN_PATHS, Observation, is_open_inference
from scoring.openapi import KEY_REQUIRED, answers, components, protocol_answers, request_body
from scoring.recording import LogUnavailableError, PredictionLog
from scoring.refusals import refusal
from scoring.settings import ScoringSettings
from scoring.wire import LabelAnswer, LabelsResponse, Live, Ready, encode_json

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
    log: PredictionLog | None = None
    """Where predictions and labels go; None keeps neither."""


def create_app(dependencies: Dependencies) -> HotRoutes:
    """The application, ready to be served."""
    settings, metrics = dependencies.settings, dependencies.metrics
    admission = Admission(settings.max_in_flight, settings.api_keys_sha256, metrics)
    batches = ThreadPoolExecutor(settings.batch_threads, thread_name_prefix="batch")
    framework = _framework(dependencies, batches)
    framework.add_middleware(Observation, metrics=metrics, admission=admission)
    return HotRoutes(framework, settings, dependencies.champion, metrics, admission, batches, dependencies.log)


def _framework(dependencies: Dependencies, batches: ThreadPoolExecutor) -> FastAPI:
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

    app = _ScoringApp(dependencies.champion, dependencies.settings, lifespan)
    app.add_exception_handler(HTTPException, _on_http_error)
    _add_hot_routes(app)
    _add_labels(app, dependencies)
    _add_probes(app, dependencies)
    _add_protocol_server(app, dependencies)
    _add_protocol_model(app, dependencies)
    return app


def _add_hot_routes(app: FastAPI) -> None:
    """For the document; requests are answered by `HotRoutes`."""

    @app.post(
        PREDICT,
        summary="Score rows of features",
        responses=answers(
            "PredictResponse",
            *(400, 401, 408, 413, 415, 422, 429, 500, 503),
            description="A prediction for each row, in order.",
        ),
        openapi_extra=request_body("PredictRequest"),
    )
    async def predict_rows() -> Response:
        """Scores one row or many. The order of features does not matter; a missing value is null where allowed."""
        raise NotImplementedError

    @app.post(
        RANK,
        summary="Rank candidates",
        responses=answers(
            "RankResponse",
            *(400, 401, 408, 413, 415, 422, 429, 500, 503),
            description="The best candidates, the best first.",
        ),
        openapi_extra=request_body("RankRequest"),
    )
    async def rank_candidates() -> Response:
        """Scores all candidates in one call and answers the best k, equal ones in the order of the request.

        All of them are kept in the prediction log as one request; feedback goes to /v1/labels by id. For a model with
        one output: a ranking's score, a regression's value, the probability of the second of two classes.
        """
        raise NotImplementedError

    infer_answers = protocol_answers(
        "InferResponse", 400, 401, 404, 408, 413, 429, 500, 503, description="The outputs."
    )

    @app.post(INFER, summary="Infer", responses=infer_answers, openapi_extra=request_body("InferRequest"))
    async def infer(model: str) -> Response:
        """Scores tensors: one a feature, or one of all features named `features`."""
        raise NotImplementedError

    @app.post(
        INFER_VERSION,
        summary="Infer by a version",
        responses=infer_answers,
        openapi_extra=request_body("InferRequest"),
    )
    async def infer_version(model: str, version: str) -> Response:
        """The same, by the version that serves; another one is not found."""
        raise NotImplementedError


def _add_labels(app: FastAPI, dependencies: Dependencies) -> None:
    settings, log = dependencies.settings, dependencies.log

    @app.post(
        "/v1/labels",
        summary="Tell the truth of predictions",
        responses=answers(
            "LabelsResponse",
            *(400, 401, 408, 409, 413, 415, 422, 429, 500, 503),
            description="What became of each label, in order.",
        ),
        openapi_extra=request_body("LabelsRequest"),
    )
    async def label(request: Request) -> Response:
        """Takes the truth of one prediction or many, by id. The same again changes nothing, so it may be sent again."""
        headers = dict(request.scope["headers"])
        refuse_unless_json(headers)
        body = await read_body(headers, request.receive, settings.max_body_bytes, settings.body_timeout_seconds)
        if log is None:
            raise RequestError(409, "log_off", "This service keeps no predictions, so it takes no labels.")
        manifest = serving(dependencies.champion).manifest
        records = await asyncio.to_thread(read_labels, body, manifest, settings.max_labels)
        try:
            outcomes = await log.write_labels(records)
        except LogUnavailableError:
            raise RequestError(503, "log_unavailable", "The labels could not be kept; send them again.") from None
        for outcome in outcomes:
            dependencies.metrics.labels.labels(manifest.model, outcome).inc()
        pairs = zip(records, outcomes, strict=True)
        return _json(
            encode_json(LabelsResponse([LabelAnswer(record.prediction_id, outcome) for record, outcome in pairs]))
        )


def _add_probes(app: FastAPI, dependencies: Dependencies) -> None:
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
        return _json(encode_json(Ready(_ready(dependencies).reference)))

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
    async def prometheus(request: Request) -> Response:
        """The metrics of this process, as text or as OpenMetrics."""
        encoder, content_type = exposition.choose_encoder(request.headers.get("accept", ""))
        return Response(encoder(dependencies.metrics.registry), headers={"content-type": content_type})


def _add_protocol_server(app: FastAPI, dependencies: Dependencies) -> None:
    """What the Open Inference Protocol asks of a server."""
    of_server = protocol_answers("ServerMetadata", 401, 429, description="The server.")

    @app.get(
        "/v2",
        summary="Server metadata",
        responses=of_server,
    )
    async def server() -> Response:
        """The server and the extensions of the protocol that it has."""
        return _json(encode_json(protocol.ServerMetadata()))

    @app.get("/v2/", include_in_schema=False)
    async def server_too() -> Response:
        return await server()

    @app.get("/v2/health/live", summary="Server live", responses=protocol_answers("ServerLive", description="It is."))
    async def server_live() -> Response:
        """As /live."""
        return _json(encode_json(protocol.ServerLive()))

    @app.get(
        "/v2/health/ready", summary="Server ready", responses=protocol_answers("ServerReady", 503, description="It is.")
    )
    async def server_ready() -> Response:
        """As /ready."""
        _ready(dependencies)
        return _json(encode_json(protocol.ServerReady()))


def _add_protocol_model(app: FastAPI, dependencies: Dependencies) -> None:
    """What the Open Inference Protocol asks of a model beside inference."""
    of_model = protocol_answers("ModelMetadata", 401, 404, 429, 503, description="The model, true to its schema.")
    model_ready = protocol_answers("ModelReady", 401, 404, 429, 503, description="It answers.")

    def metadata(model: str, version: str | None) -> Response:
        return _json(encode_json(protocol.metadata(serving(dependencies.champion, Target(model, version)).manifest)))

    def readiness(model: str, version: str | None) -> Response:
        _ready(dependencies)
        return _json(
            encode_json(protocol.ModelReady(serving(dependencies.champion, Target(model, version)).manifest.model))
        )

    @app.get("/v2/models/{model}", summary="Model metadata", responses=of_model)
    async def model_metadata(model: str) -> Response:
        """Inputs and outputs of the model."""
        return metadata(model, None)

    @app.get("/v2/models/{model}/versions/{version}", summary="Model metadata by version", responses=of_model)
    async def version_metadata(model: str, version: str) -> Response:
        """Of the version that serves; another one is not found."""
        return metadata(model, version)

    @app.get("/v2/models/{model}/ready", summary="Model ready", responses=model_ready)
    async def model_is_ready(model: str) -> Response:
        """Whether this model answers."""
        return readiness(model, None)

    @app.get("/v2/models/{model}/versions/{version}/ready", summary="Model ready by version", responses=model_ready)
    async def version_is_ready(model: str, version: str) -> Response:
        """Whether this version answers."""
        return readiness(model, version)


class _ScoringApp(FastAPI):
    """FastAPI whose document follows the model that serves."""

    def __init__(self, champion: ChampionHolder, settings: ScoringSettings, lifespan: Any) -> None:  # noqa: ANN401 - Starlette's own type is private
        super().__init__(
            title="Scoring",
            version="1",
            description="Predictions of the champion model. Errors have the form of ErrorResponse, under /v2 that of "
            "InferError; each answer names its request as X-Request-ID.",
            lifespan=lifespan,
            # The pages load scripts from elsewhere; the document is what clients want.
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        self._champion = champion
        self._settings = settings

    def openapi(self) -> dict[str, Any]:
        """The document, with the features of the model that serves now."""
        document = super().openapi()
        for path, operations in document["paths"].items():
            for operation in operations.values():
                if self._settings.api_keys_sha256 and path not in OPEN_PATHS:
                    operation["security"] = KEY_REQUIRED
                # The framework's guess at path parameters: ours are any text, so they cannot fail.
                if "HTTPValidationError" in str(operation["responses"].get("422")):
                    del operation["responses"]["422"]
        current = self._champion.current
        manifest = current.manifest if isinstance(current, ServedModel) else None
        return document | {"components": components(manifest, self._settings)}


def _ready(dependencies: Dependencies) -> ServedModel:
    if dependencies.is_draining():
        raise RequestError(503, "draining", "The process is about to stop.")
    return serving(dependencies.champion)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


async def _on_http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself, in the form that `Observation` gives our own refusals."""
    if not isinstance(error, HTTPException):
        raise error
    code, message = _CODES.get(error.status_code, ("bad_request", "The request cannot be answered."))
    open_inference = is_open_inference(request.scope["path"])
    body, _ = refusal(RequestError(error.status_code, code, message), open_inference=open_inference)
    response = _json(body, error.status_code)
    response.headers.update(error.headers or {})
    return response
