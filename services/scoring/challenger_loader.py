"""Follows the rollout's pointer: loads the challenger, gives it its share, and takes it away again."""

import asyncio
import random
from collections.abc import Callable

import structlog
from lifecycle.logs import error_facts
from lifecycle.registry import ModelRefusedError
from lifecycle.rollouts import CurrentStep, RolloutMode, Rollouts, RolloutStep
from lifecycle.store import StoreUnavailableError

from scoring.background import BackgroundThread
from scoring.challenger import Challenger
from scoring.champion import ChampionHolder, ServedModel
from scoring.loader import refuse_incompatible
from scoring.metrics import Metrics


class ChallengerLoader:
    """Sets and clears the holder's challenger. Whatever goes wrong here, the champion serves on."""

    def __init__(
        self,
        rollouts: Rollouts,
        load: Callable[[int], ServedModel],
        holder: ChampionHolder,
        metrics: Metrics,
        poll_seconds: float = 2.0,
    ) -> None:
        """Says where from and where to.

        Args:
            rollouts: of the model that is served.
            load: a version, checked and warmed up; blocks. Raises ModelRefusedError and StoreUnavailableError.
            holder: where the challenger goes.
            metrics: of the service.
            poll_seconds: between two looks at the pointer, give or take a fifth so that pods spread.
        """
        self._rollouts = rollouts
        self._load = load
        self._holder = holder
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._seen: CurrentStep | None = None
        self._refused: int | None = None
        self._last_said: tuple[object, ...] = ()
        self._thread = BackgroundThread("challenger")
        self._log = structlog.stdlib.get_logger()

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
            await self.follow()

    async def follow(self) -> None:
        """Looks once. A version that was refused is not tried again in the same rollout."""
        champion = self._holder.current
        if not isinstance(champion, ServedModel):
            return
        step: RolloutStep | None = None
        try:
            step = await self._thread.run(self._look)
            if step is None or not _tries_against(step, champion):
                self._end()
            elif step.version != self._refused:
                await self._try(step, champion)
            self._last_said = ()
        except StoreUnavailableError as error:
            # Only delays: who serves what goes on, and the next look asks again.
            self._say("rollout_unknown", cause=type(error).__name__, message=str(error))
        except ModelRefusedError as error:
            self._refuse(step, error.cause, message=str(error))
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end the looking
            self._refuse(step, "internal", **error_facts(error))

    def _look(self) -> RolloutStep | None:
        """The newest step; read anew only when it moved."""
        if self._seen is None or self._rollouts.has_moved(self._seen):
            self._seen = self._rollouts.current()
        return None if self._seen is None else self._seen.step

    async def _try(self, step: RolloutStep, champion: ServedModel) -> None:
        held = self._holder.challenger
        if held is not None and held.model.manifest.version == step.version:
            if (held.role, held.share) == (step.state, step.share):
                return
            model = held.model
        else:
            model = await self._thread.run(self._load, step.version)
            refuse_incompatible(champion.manifest, model.manifest)
            if self._holder.current is not champion:
                return  # swapped meanwhile: the next look knows whether the rollout is still one
        role: RolloutMode = "shadow" if step.state == "shadow" else "canary"
        self._metrics.trial.begin(champion.manifest, model.manifest, role, step.share)
        self._holder.challenger = Challenger(model, role, step.share)
        self._log.info("challenger_on_trial", version=step.version, role=role, share=step.share)

    def _end(self) -> None:
        if self._holder.challenger is not None:
            self._log.info("challenger_off_trial", version=self._holder.challenger.model.manifest.version)
        self._holder.challenger = None
        self._refused = None
        self._metrics.trial.end()

    def _refuse(self, step: RolloutStep | None, cause: str, **facts: object) -> None:
        self._holder.challenger = None
        if self._say("challenger_refused", cause=cause, version=step and step.version, **facts):
            self._metrics.model_refusals.labels(cause).inc()
        if step is not None:
            self._refused = step.version
            self._metrics.trial.refused(self._rollouts.model, step.version)

    def _say(self, event: str, **facts: object) -> bool:
        """Logs it, unless it is what was said last; whether it was news."""
        said = (event, facts.get("cause"), facts.get("version"))
        if said == self._last_said:
            return False
        self._last_said = said
        self._log.error(event, **facts)
        return True


def _tries_against(step: RolloutStep, champion: ServedModel) -> bool:
    """Whether this step is about a challenger of the champion that serves here."""
    serving = champion.manifest.version
    return step.running and step.champion_version == serving and step.version != serving
