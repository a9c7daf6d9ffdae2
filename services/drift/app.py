"""The HTTP application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Final

import structlog
from fastapi import Depends, FastAPI, Query, Request
from fastapi.security import HTTPBearer
from lifecycle.bearer import NoTokenError, shows_token
from lifecycle.logs import error_facts
from lifecycle.registry import ModelRefusedError, ModelRegistry
from lifecycle.store import StoreUnavailableError
from prometheus_client import exposition
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from drift.metrics import Metrics
from drift.report import Facts, plotly, render
from drift.results import Results
from drift.schedule import Schedule
from drift.settings import DriftSettings
from drift.stores import Stores

_SHOWN: Final = 200
"""Chunks in a report."""

_SCRIPTS: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
"""Nothing is loaded from elsewhere. The plotting library writes its own styles, and pictures of plots as data."""


_Answers = dict[int | str, dict[str, Any]]
_NOT_YET: Final[_Answers] = {503: {"description": "It is not."}}
_NO_MODEL: Final[_Answers] = {
    404: {"description": "No such model is watched."},
    503: {"description": "The object store does not answer, or its champion cannot be read."},
}
_NO_TOKEN: Final[_Answers] = {401: {"description": "The token has to be shown."}}


def create_app(settings: DriftSettings, stores: Stores, schedule: Schedule | None = None) -> FastAPI:
    """The application; evaluations begin with its start.

    Args:
        settings: which models, how often.
        stores: where models and results are.
        schedule: what evaluates; as the settings say by default.
    """
    metrics = schedule.metrics if schedule else Metrics(settings.models)
    service = _Service(settings, stores, schedule or Schedule(settings, metrics))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.task = asyncio.create_task(service.run())
        try:
            yield
        finally:
            service.task.cancel()
            with suppress(asyncio.CancelledError):
                await service.task

    app = FastAPI(title="Drift", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    _add_probes(app, service, metrics)
    _add_results(app, service)
    app.add_exception_handler(StoreUnavailableError, _on_store_unavailable)
    app.add_exception_handler(ModelRefusedError, _on_model_refused)
    return app


class _Service:
    def __init__(self, settings: DriftSettings, stores: Stores, schedule: Schedule) -> None:
        self.settings = settings
        self.stores = stores
        self.schedule = schedule
        self.task: asyncio.Task[None] | None = None
        self.reached = False
        """Whether the store has answered: before that no page could be."""

    async def run(self) -> None:
        """Waits for the store, and evaluates from then on."""
        try:
            while not self.reached:
                with suppress(StoreUnavailableError):
                    await asyncio.to_thread(self.stores.models.folders, "")
                    self.reached = True
            await self.schedule.run()
        except Exception as error:  # the probe tells Kubernetes, and this tells people why
            structlog.stdlib.get_logger().error("schedule_ended", **error_facts(error))
            raise

    def authorize(self, request: Request) -> None:
        """Lets in whoever shows the token."""
        file = self.settings.token_file
        try:
            if file is None or shows_token(request.headers.get("authorization", ""), file):
                return
        except NoTokenError:
            raise HTTPException(503, "The service has no token to compare with.") from None
        raise HTTPException(
            401, "Show the token: `Authorization: Bearer <token>`.", headers={"www-authenticate": "Bearer"}
        )

    def known(self, model: str) -> str:
        if model not in self.settings.models:
            raise HTTPException(404, f"No such model is watched; these are: {', '.join(self.settings.models)}.")
        return model

    def facts(self, model: str, chunks: int) -> Facts:
        """What is stored about the champion's newest chunks."""
        outcome = self.schedule.outcomes.get(self.known(model), {})
        champion = ModelRegistry(self.stores.models, model).champion()
        if champion is None:
            return Facts(model, None, outcome, [])
        results = Results(self.stores.predictions, model, champion.version)
        since = max(0, results.newest() + 1 - chunks)
        rows = results.chunks(since).to_pylist() + results.realized(since).to_pylist()
        shares = results.distributions()
        return Facts(model, champion.version, outcome, rows, [] if shares is None else shares.to_pylist())


def _add_probes(app: FastAPI, service: _Service, metrics: Metrics) -> None:
    @app.get("/healthz", summary="Is the process alive, by its other name", responses=_NOT_YET)
    @app.get("/live", summary="Is the process alive", responses=_NOT_YET)
    async def live() -> Response:
        """It is while evaluations are made; a restart begins them anew."""
        return _probe(service.task is not None and not service.task.done(), "no longer evaluates")

    @app.get("/ready", summary="Can results be shown", responses=_NOT_YET)
    async def ready() -> Response:
        """Once the object store has answered; an outage later on is told by the metrics."""
        return _probe(service.reached, "the object store has not answered")

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
    async def prometheus(request: Request) -> Response:
        """The newest chunk of every model, and how evaluations go."""
        encoder, content_type = exposition.choose_encoder(request.headers.get("accept", ""))
        return Response(encoder(metrics.registry), headers={"content-type": content_type})


def _add_results(app: FastAPI, service: _Service) -> None:
    # What changes something wants the token; everything else is read.
    wanted = [Depends(HTTPBearer(auto_error=False)), Depends(service.authorize)] if service.settings.token_file else []

    @app.post("/v1/evaluate", summary="Evaluate now", dependencies=wanted, responses=_NO_MODEL | _NO_TOKEN)
    async def evaluate(model: str) -> dict[str, Any]:
        """Evaluates a model once the evaluation under way has ended; the answer says what came of it."""
        await service.schedule.evaluate(service.known(model))
        return service.schedule.outcomes.get(model, {})

    # Not async: the store is read in a thread, so that metrics and probes are answered meanwhile.
    @app.get("/v1/results", summary="What was found", responses=_NO_MODEL)
    def results(model: str, chunks: Annotated[int, Query(ge=1, le=10_000)] = _SHOWN) -> dict[str, Any]:
        """The measures of the champion's newest chunks, and what came of the last evaluation."""
        facts = service.facts(model, chunks)
        rows = [row for row in facts.rows if row["family"] is not None]
        return {"model": model, "version": facts.version, "evaluation": facts.outcome, "results": rows}

    @app.get("/report/{model}", summary="What was found, for people", response_class=HTMLResponse, responses=_NO_MODEL)
    def report(model: str, download: str | None = None) -> Response:
        """The report; with `?download` a file that works alone."""
        page = render(service.facts(model, _SHOWN), whole=download is not None)
        headers = {"content-security-policy": _SCRIPTS}
        if download is not None:
            headers["content-disposition"] = f'attachment; filename="drift-{model}.html"'
        return HTMLResponse(page, headers=headers)

    @app.get("/static/plotly.min.js", include_in_schema=False)
    def script() -> Response:
        return Response(
            plotly(), media_type="text/javascript; charset=utf-8", headers={"cache-control": "public, max-age=86400"}
        )


def _probe(holds: bool, otherwise: str) -> Response:  # noqa: FBT001 - the answer is the argument
    return JSONResponse({"status": "ok"}) if holds else JSONResponse({"status": otherwise}, 503)


async def _on_store_unavailable(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"detail": "The object store does not answer; try again."}, 503)


async def _on_model_refused(_request: Request, error: Exception) -> Response:
    cause = error.cause if isinstance(error, ModelRefusedError) else "internal"
    return JSONResponse({"detail": f"The registry's champion cannot be read: {cause}."}, 503)
