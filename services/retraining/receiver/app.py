"""The HTTP application: routes, and nothing that is not about HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx2
import structlog
from fastapi import FastAPI, Request
from lifecycle.bearer import NoTokenError, shows_token
from lifecycle.logs import error_facts
from lifecycle.registry import ModelRefusedError
from lifecycle.store import StoreUnavailableError
from lightkube import ApiError
from prometheus_client import exposition
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response

from retraining.receiver.asking import Asked, Notification, RetrainRequest, wishes
from retraining.receiver.decision import Decision, Job
from retraining.receiver.metrics import new_registry
from retraining.receiver.openapi import documented, with_token
from retraining.receiver.receiver import Receiver, Remembered, Seen
from retraining.receiver.settings import ReceiverSettings
from retraining.rollout.keeper import Keeper
from retraining.runs import Outcome, RunRecordError
from retraining.settings import Trigger

_LIMIT_BYTES: Final = 1024 * 1024
"""Of a body: Alertmanager's largest group is a tenth of it."""

_LISTED_RUNS: Final = 200
_CLUSTER_ERRORS: Final = (ApiError, httpx2.HTTPError)
_LOOK_ERRORS: Final = (*_CLUSTER_ERRORS, StoreUnavailableError, RunRecordError, ModelRefusedError)
_STATUS: Final = {"started": 202, "already_running": 409, "cooling_down": 409, "ignored": 200, "refused": 404}

_Body = TypeVar("_Body", bound=BaseModel)


@dataclass(frozen=True)
class RolloutLooks:
    """Who moves rollouts, and how often it looks at them."""

    keeper: Keeper
    look_seconds: float


class _RefusedError(Exception):
    """A request that is not answered: the status, a code of a fixed list, and what was wrong."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status: Final = status
        self.code: Final = code


class _ReceiverApp(FastAPI):
    """FastAPI whose document names the token."""

    def openapi(self) -> dict[str, Any]:
        """The document."""
        return with_token(super().openapi())


def create_app(receiver: Receiver, settings: ReceiverSettings, rollouts: RolloutLooks | None = None) -> FastAPI:
    """The application, ready to be served; without `rollouts` it moves none."""
    looks = [_keep_looking("look_failed", receiver.look, settings.refresh_seconds)]
    if rollouts is not None:
        keeper = rollouts.keeper
        looks.append(
            _keep_looking("rollout_look_failed", lambda: keeper.look(receiver.seen or {}), rollouts.look_seconds)
        )
    app = _ReceiverApp(title="Retraining", version="1", docs_url=None, redoc_url=None, lifespan=_lifespan(looks))
    registry = new_registry(receiver, None if rollouts is None else rollouts.keeper)
    app.add_exception_handler(_RefusedError, _on_refused)
    _add_wishes(app, receiver, settings)
    _add_runs(app, receiver, settings)

    @app.get("/live")
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "live"}

    @app.get("/ready", responses={503: {"description": "It is starting."}})
    async def ready() -> Response:
        """The token is there, and every model has been looked at."""
        fine = receiver.seen is not None and settings.token_file.is_file()
        return JSONResponse({"status": "ready" if fine else "starting"}, 200 if fine else 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """For Prometheus."""
        return PlainTextResponse(exposition.generate_latest(registry), media_type=exposition.CONTENT_TYPE_LATEST)

    return app


def _add_wishes(app: FastAPI, receiver: Receiver, settings: ReceiverSettings) -> None:
    @app.post("/v1/alerts", **documented(Notification))
    async def alerts(request: Request) -> Response:
        """Takes a notification of Alertmanager's webhook, version 4."""
        body = await _admitted(request, receiver, settings, "alert", Notification)
        decisions = [await _ask(receiver, asked) for asked in wishes(body, settings.alerts)]
        return JSONResponse({"decisions": [_decision(decision) for decision in decisions]})

    @app.post("/v1/retrain", **documented(RetrainRequest, 202, 404, 409))
    async def retrain(request: Request) -> Response:
        """Takes the wish of a person or of the calendar; 202 where a run starts, 409 where none may, 404 otherwise."""
        body = await _admitted(request, receiver, settings, "person", RetrainRequest)
        asked = Asked(model=body.model, trigger=body.trigger, mode=body.mode, since=body.since)
        decision = await _ask(receiver, asked)
        return JSONResponse(_decision(decision), _STATUS[decision.verdict])


def _add_runs(app: FastAPI, receiver: Receiver, settings: ReceiverSettings) -> None:
    @app.get("/v1/runs", **documented(None))
    async def runs(request: Request, model: str | None = None) -> Response:
        """The runs, newest first, and what was decided since the process began."""
        _authorize(request, settings.token_file)
        try:
            await run_in_threadpool(receiver.look)
        except _LOOK_ERRORS as error:
            raise _unavailable(error) from error
        listed = [run for name, seen in (receiver.seen or {}).items() if model in (None, name) for run in _runs(seen)]
        listed.sort(key=lambda run: str(run["started_at"]), reverse=True)
        decided = [entry for entry in receiver.decisions if model in (None, entry.decision.model)]
        return JSONResponse({"runs": listed[:_LISTED_RUNS], "decisions": [_remembered(entry) for entry in decided]})


async def _ask(receiver: Receiver, asked: Any) -> Decision:  # noqa: ANN401 - what `wishes` gives
    try:
        return await run_in_threadpool(receiver.ask, asked)
    except _CLUSTER_ERRORS as error:
        # 503: Alertmanager sends it again.
        raise _unavailable(error) from error


async def _admitted(
    request: Request, receiver: Receiver, settings: ReceiverSettings, trigger: Trigger, kind: type[_Body]
) -> _Body:
    """The body of a request whose sender may ask; what is refused is counted and listed."""
    try:
        _authorize(request, settings.token_file)
        return await _read(request, kind)
    except _RefusedError as error:
        receiver.remember(Decision(model="", trigger=trigger, verdict="refused", reason=f"{error.code}: {error}"))
        raise


def _authorize(request: Request, token_file: Path) -> None:
    try:
        shown = shows_token(request.headers.get("authorization", ""), token_file)
    except NoTokenError:
        raise _RefusedError(503, "no_token", "the receiver has no token to compare with") from None
    if not shown:
        raise _RefusedError(401, "unauthorized", "show the token: `Authorization: Bearer <token>`")


async def _read(request: Request, kind: type[_Body]) -> _Body:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _LIMIT_BYTES:
            raise _RefusedError(413, "body_too_large", f"a body has {_LIMIT_BYTES} bytes at most")
    try:
        return kind.model_validate_json(bytes(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise _RefusedError(422, "wrong_shape", f"{where}: {first['msg']}") from None


def _unavailable(error: Exception) -> _RefusedError:
    structlog.stdlib.get_logger().error("unavailable", **error_facts(error))
    return _RefusedError(503, "unavailable", "the cluster or the object store does not answer; try again")


async def _on_refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, _RefusedError):
        raise error
    headers = {"www-authenticate": "Bearer"} if error.status == 401 else None  # noqa: PLR2004 - unauthorized
    return JSONResponse({"error": {"code": error.code, "message": str(error)}}, error.status, headers)


def _lifespan(looks: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(look()) for look in looks]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    return lifespan


def _keep_looking(event: str, look: Callable[[], None], seconds: float) -> Callable[[], Coroutine[Any, Any, None]]:
    """Looks again and again; the first failure of several in a row is logged as `event`."""

    async def keep_looking() -> None:
        log = structlog.stdlib.get_logger()
        failing = False
        while True:
            try:
                await run_in_threadpool(look)
                failing = False
            except Exception as error:  # noqa: BLE001 - a defect of ours must not end the looking
                if not failing:
                    log.warning(event, **error_facts(error))
                failing = True
            await asyncio.sleep(seconds)

    return keep_looking


def _decision(decision: Decision) -> dict[str, str]:
    return {
        "model": decision.model,
        "trigger": decision.trigger,
        "decision": decision.verdict,
        "reason": decision.reason,
        "job": decision.job,
    }


def _remembered(entry: Remembered) -> dict[str, object]:
    moments = {"first_at": entry.first_at.isoformat(), "last_at": entry.last_at.isoformat()}
    return {**_decision(entry.decision), "times": entry.times, **moments}


def _runs(seen: Seen) -> list[dict[str, object]]:
    """The runs of a model: what ended by its outcome, what has none by its Job."""
    causes = {job.run: job.cause for job in seen.jobs}
    ended = [_ended(outcome, causes.get(run, "")) for run, outcome in seen.outcomes.items()]
    running = [job for job in seen.jobs if job.finished_at is None]
    return ended + [_unended(job) for job in (*running, *seen.lost) if job.run not in seen.outcomes]


def _ended(outcome: Outcome, asked_for: str) -> dict[str, object]:
    return {**json.loads(outcome.model_dump_json()), "state": "ended", "asked_for": asked_for}


def _unended(job: Job) -> dict[str, object]:
    lost = job.finished_at is not None
    return {
        "run": job.run,
        "job": job.name,
        "model": job.model,
        "trigger": job.trigger,
        "asked_for": job.cause,
        "state": "ended" if lost else "running",
        "result": "failed" if lost else None,
        "cause": "no_outcome" if lost else "",
        "message": f"see `kubectl logs job/{job.name}`" if lost else "",
        "started_at": job.created_at.isoformat(),
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }
