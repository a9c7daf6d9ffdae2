"""Loads the champion, for as long as it takes, and follows the pointer; one log line for each new obstacle."""

import asyncio
import random
from collections.abc import Callable
from typing import Final, Protocol

import structlog
from lifecycle.logs import error_facts
from lifecycle.manifest import Manifest
from lifecycle.registry import Champion, ModelRefusedError, ModelRegistry
from lifecycle.store import StoreUnavailableError
from tenacity import AsyncRetrying, RetryCallState

from scoring.background import BackgroundThread
from scoring.champion import ChampionHolder, NotReady, ServedModel
from scoring.metrics import Metrics
from scoring.predictor import build_predictor

_FIRST_PAUSE_SECONDS: Final = 0.2
# A champion is usually seconds away while the first training runs; a model that was refused stays what it is.
_LONGEST_WAIT_SECONDS: Final = 2.0
_LONGEST_WAIT_AFTER_REFUSAL_SECONDS: Final = 30.0


class NoChampionError(Exception):
    """The registry has no champion yet."""


class ChampionSource:
    """The champion of a registry. Its methods block."""

    def __init__(self, registry: ModelRegistry) -> None:
        """Args: the registry of the model that is to be served."""
        self._registry = registry

    def pointer(self) -> Champion:
        """The champion pointer.

        Raises:
            NoChampionError: nothing was promoted yet.
            ModelRefusedError: the pointer cannot be read.
            StoreUnavailableError: the store does not answer.
        """
        champion = self._registry.champion()
        if champion is None:
            raise NoChampionError
        return champion

    def moved(self, seen: Champion) -> bool:
        """Whether the pointer is another one by now.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        return self._registry.has_moved(seen)

    def load(self, champion: Champion) -> ServedModel:
        """Loads, checks and warms up the champion; raises as `load_version` does."""
        return self.load_version(champion.version)

    def load_version(self, version: int) -> ServedModel:
        """Loads, checks and warms up a version.

        Raises:
            ModelRefusedError: it is not what its manifest says.
            StoreUnavailableError: the store does not answer.
        """
        stored = self._registry.load(version)
        return ServedModel(stored.manifest, build_predictor(stored))


class Source(Protocol):
    """Where champions come from; see ChampionSource."""

    def pointer(self) -> Champion:
        """The champion pointer."""

    def moved(self, seen: Champion) -> bool:
        """Whether it is another one by now."""

    def load(self, champion: Champion) -> ServedModel:
        """The model that it names, checked."""


def refuse_incompatible(serving: Manifest, candidate: Manifest) -> None:
    """Refuses a version to which requests of today's clients would be wrong, or whose answers have another form.

    Raises:
        ModelRefusedError: names or kinds of features, or the objective, differ.
    """
    before, after = (
        {feature.name: feature.kind for feature in manifest.feature_schema.features}
        for manifest in (serving, candidate)
    )
    problems = [
        f"{name} is {after.get(name, 'gone')}, was {before.get(name, 'not there')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    if serving.objective != candidate.objective:
        problems.append(f"the objective is {candidate.objective}, was {serving.objective}")
    if problems:
        message = f"clients of version {serving.version} would be refused: {'; '.join(problems)}"
        raise ModelRefusedError("schema_incompatible", message, candidate.version)


class ChampionLoader:
    """Fills the holder, and changes what it holds whenever the champion pointer moves."""

    def __init__(
        self,
        source: Source,
        holder: ChampionHolder,
        metrics: Metrics,
        poll_seconds: float = 2.0,
        pause: Callable[[RetryCallState], float] | None = None,
    ) -> None:
        """Says where from and where to.

        Args:
            source: of champions.
            holder: where the model goes.
            metrics: of the service.
            poll_seconds: between two looks at the pointer, give or take a fifth so that pods spread.
            pause: how long to wait after a failed first try.
        """
        self._source = source
        self._holder = holder
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._pause = pause or pause_seconds
        self._seen: Champion | None = None
        self._last_said: tuple[object, ...] = ()
        self._thread = BackgroundThread("loader")
        self._log = structlog.stdlib.get_logger()

    async def run(self) -> None:
        """Tries until there is a champion that passes, then follows the pointer; until cancelled."""
        await self.load_first()
        while True:
            await asyncio.sleep(self._poll_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
            await self.follow()

    async def load_first(self) -> None:
        """Tries until there is a champion that passes."""
        retrying = AsyncRetrying(wait=self._pause, before_sleep=self._explain)
        first: tuple[Champion, ServedModel] = await retrying(self._thread.run, self._load_first)
        self._seen, model = first
        self._metrics.champion_refused.set(0)
        self._serve(model)
        self._log.info("model_loaded", **_facts(model))

    async def follow(self) -> None:
        """Looks at the pointer once; where it moved, serves the new champion or says why not.

        A version that was refused is not tried again until the pointer moves.
        """
        serving = self._holder.current
        if self._seen is None or not isinstance(serving, ServedModel):
            return
        try:
            candidate = await self._thread.run(self._load_moved, self._seen, serving)
        except (StoreUnavailableError, NoChampionError) as error:
            # Only delays: what serves goes on, and the next look asks again.
            self._say("champion_unknown", cause=type(error).__name__, message=str(error))
        except ModelRefusedError as error:
            news = self._say("model_refused", cause=error.cause, version=error.version, message=str(error))
            # A pointer that cannot be read names no version, so every look meets it anew: it counts once.
            if news or error.cause != "champion_invalid":
                self._swap(serving, "refused")
                self._count_refusal(error.cause)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end the looking
            self._swap(serving, "failed")
            self._count_refusal("internal")
            self._say("model_refused", cause="internal", **error_facts(error))
        else:
            self._last_said = ()
            if candidate is not None:
                self._serve(candidate)
                self._swap(candidate, "swapped")
                self._log.info("model_swapped", replaced=serving.manifest.version, **_facts(candidate))
                serving = candidate
            if self._seen.version == serving.manifest.version:
                self._metrics.champion_refused.set(0)

    def _load_first(self) -> tuple[Champion, ServedModel]:
        champion = self._source.pointer()
        return champion, self._source.load(champion)

    def _load_moved(self, seen: Champion, serving: ServedModel) -> ServedModel | None:
        """The new champion; None where the pointer names what serves already."""
        if not self._source.moved(seen):
            return None
        champion = self._source.pointer()
        try:
            if champion.version == serving.manifest.version:
                model = None
            else:
                model = self._source.load(champion)
                refuse_incompatible(serving.manifest, model.manifest)
        except StoreUnavailableError:
            raise
        except Exception:
            self._seen = champion
            raise
        self._seen = champion
        return model

    def _serve(self, model: ServedModel) -> None:
        self._holder.current = model
        self._holder.challenger = None  # it was on trial against the champion before
        self._metrics.serve(model.manifest)

    def _swap(self, model: ServedModel, outcome: str) -> None:
        self._metrics.model_swaps.labels(model.manifest.model, outcome).inc()

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

    def _count_refusal(self, cause: str) -> None:
        self._metrics.model_refusals.labels(cause).inc()
        self._metrics.champion_refused.set(1)

    def _refused(self, cause: str) -> None:
        self._count_refusal(cause)
        self._not_ready(NotReady("model_refused", f"The champion was refused: {cause}."))

    def _not_ready(self, reason: NotReady) -> None:
        self._holder.current = reason

    def _say(self, event: str, **facts: object) -> bool:
        """Logs it, unless it is what was said last; whether it was news."""
        # The message is left out of the comparison: it may hold a duration or a request id that changes each time.
        said = (event, facts.get("cause"), facts.get("version"), facts.get("operation"))
        if said == self._last_said:
            return False
        self._last_said = said
        level = self._log.info if event == "waiting_for_champion" else self._log.error
        level(event, **facts)
        return True


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
