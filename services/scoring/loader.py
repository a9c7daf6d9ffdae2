"""Loads the champion at start: in the background, for as long as it takes, with one log line for each new obstacle."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

import structlog
from lifecycle.logs import error_facts
from lifecycle.registry import ModelRefusedError, ModelRegistry
from lifecycle.store import StoreUnavailableError
from tenacity import AsyncRetrying, RetryCallState

from scoring.champion import ChampionHolder, NotReady, ServedModel
from scoring.metrics import Metrics
from scoring.predictor import build_predictor

_FIRST_PAUSE_SECONDS: Final = 0.2
# A champion is usually seconds away while the first training runs; a model that was refused stays what it is.
_LONGEST_WAIT_SECONDS: Final = 2.0
_LONGEST_WAIT_AFTER_REFUSAL_SECONDS: Final = 30.0


class NoChampionError(Exception):
    """The registry has no champion yet."""


def load_champion(registry: ModelRegistry) -> ServedModel:
    """Loads and checks the champion. Blocks.

    Raises:
        NoChampionError: nothing was promoted yet.
        ModelRefusedError: the champion is not what its manifest says.
        StoreUnavailableError: the store does not answer.
    """
    champion = registry.champion()
    if champion is None:
        raise NoChampionError
    stored = registry.load(champion.version)
    return ServedModel(stored.manifest, build_predictor(stored))


class ChampionLoader:
    """Fills the holder, once."""

    def __init__(
        self,
        load: Callable[[], ServedModel],
        holder: ChampionHolder,
        metrics: Metrics,
        pause: Callable[[RetryCallState], float] | None = None,
    ) -> None:
        """Args: what loads, blocking; where the model goes; the metrics; how long to pause after a failed try."""
        self._load = load
        self._holder = holder
        self._metrics = metrics
        self._pause = pause or pause_seconds
        self._last_said: tuple[object, ...] = ()
        self._log = structlog.stdlib.get_logger()

    async def run(self) -> None:
        """Tries until there is a champion that passes; ends then."""
        retrying = AsyncRetrying(wait=self._pause, before_sleep=self._explain)
        model: ServedModel = await retrying(asyncio.to_thread, self._load)
        self._holder.current = model
        self._metrics.serve(model.manifest)
        self._log.info("model_loaded", **_facts(model))

    def _explain(self, state: RetryCallState) -> None:
        """Says why there is no model: to readiness always, to the log once, to the metrics on every refusal."""
        error = state.outcome.exception() if state.outcome else None
        match error:
            case NoChampionError():
                self._not_ready(NotReady("waiting_for_champion", "No version was promoted yet."))
                self._say("waiting_for_champion")
            case StoreUnavailableError():
                self._not_ready(NotReady("store_unavailable", "The model store does not answer."))
                self._say("store_unavailable", operation=error.operation, key=error.key, message=str(error))
            case ModelRefusedError():
                self._refused(error.cause)
                self._say("model_refused", cause=error.cause, version=error.version, message=str(error))
            case _:
                # A defect of ours, met while loading: the pod says so and stays out of service.
                self._refused("internal")
                facts = {} if error is None else error_facts(error)
                self._say("model_refused", cause="internal", **facts)

    def _refused(self, cause: str) -> None:
        self._metrics.model_refusals.labels(cause).inc()
        self._not_ready(NotReady("model_refused", f"The champion was refused: {cause}."))

    def _not_ready(self, reason: NotReady) -> None:
        self._holder.current = reason

    def _say(self, event: str, **facts: object) -> None:
        # The message is left out of the comparison: it may hold a duration or a request id that changes each time.
        said = (event, facts.get("cause"), facts.get("version"), facts.get("operation"))
        if said != self._last_said:
            self._last_said = said
            level = self._log.info if event == "waiting_for_champion" else self._log.error
            level(event, **facts)


def pause_seconds(state: RetryCallState) -> float:
    """Doubles from 0.2 s up to 2 s, or 30 s after a refusal, give or take a fifth so that pods spread."""
    error = state.outcome.exception() if state.outcome else None
    longest = _LONGEST_WAIT_AFTER_REFUSAL_SECONDS if isinstance(error, ModelRefusedError) else _LONGEST_WAIT_SECONDS
    growing: float = _FIRST_PAUSE_SECONDS * 2 ** min(state.attempt_number - 1, 16)
    return min(growing, longest) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing


def _facts(model: ServedModel) -> dict[str, object]:
    return {
        "model": model.manifest.model,
        "version": model.manifest.version,
        "sha256": model.manifest.file.sha256,
        "features": len(model.manifest.feature_schema.features),
    }
