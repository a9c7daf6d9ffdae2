"""Moves rollouts: looks at what scoring tells, decides, and writes the next step. Keeps nothing that it must not lose.

All that matters is in the rollout's pointer and in Prometheus: a keeper that starts anew goes on where another one
was, and of two that move a rollout at once the store lets one.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog
from lifecycle.registry import ChampionChangedError, ModelRegistry
from lifecycle.rollouts import CurrentStep, RolloutChangedError, Rollouts, RolloutStep
from lifecycle.store import ObjectStore

from retraining.rollout.decision import Decision, decide
from retraining.rollout.observation import UnobservedError
from retraining.rollout.settings import RolloutSettings
from retraining.rollout.trial import Observed

ACTOR: Final = "retraining/rollout"


class Observer(Protocol):
    """Who tells of trials; see Prometheus."""

    def observe(self, model: str, step: RolloutStep, age_seconds: float) -> Observed:
        """Both versions since the step began; raises UnobservedError."""


@dataclass(frozen=True)
class Told:
    """The rollouts of a model, for the metrics.

    Attributes:
        current: the newest step.
        ends: how many were promoted, taken back and aborted by a person, and when the newest of each was.
    """

    current: RolloutStep
    ends: dict[str, tuple[int, datetime]]


class Keeper:
    """The rollouts of some models. One look at a time."""

    def __init__(
        self,
        store: ObjectStore,
        settings: RolloutSettings,
        observer: Observer,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Args: where models are, steps and bounds, who tells of trials, and a clock."""
        self._store = store
        self._settings = settings
        self._observer = observer
        self._now = now
        self.told: dict[str, Told] = {}
        """What the last look showed, by model; those alone that ever had a rollout."""
        self._history: dict[str, list[RolloutStep]] = {}
        self._observed_at: dict[str, tuple[int, float]] = {}
        """The version that was last seen on trial of each model, and when."""
        self._log = structlog.stdlib.get_logger()

    def look(self, models: Iterable[str]) -> None:
        """Looks at each model's rollout and takes the step that is due. Blocks.

        A model that cannot be looked at keeps no other from it, and is told nothing of: that is what alerts go by.

        Raises:
            StoreUnavailableError, ModelRefusedError: the store does not answer, or a record cannot be read.
        """
        told: dict[str, Told] = {}
        failures: list[Exception] = []
        for model in models:
            try:
                found = self._look(model)
            except Exception as error:  # noqa: BLE001 - raised below, once all models had their turn
                failures.append(error)
            else:
                told |= {} if found is None else {model: found}
        self.told = told
        if failures:
            raise failures[0]

    def _look(self, model: str) -> Told | None:
        rollouts = Rollouts(self._store, model)
        current = rollouts.current()
        if current is None:
            return None
        if current.step.running:
            self._move(rollouts, current)
        known = self._history.setdefault(model, [])
        known += rollouts.history(known[-1].sequence if known else 0)
        return Told(known[-1], _ends(known))

    def _move(self, rollouts: Rollouts, current: CurrentStep) -> None:
        step, registry = current.step, ModelRegistry(self._store, rollouts.model)
        champion = registry.champion()
        observed, unobserved_seconds = self._observe(rollouts.model, step)
        decision = decide(
            step, champion, observed, self._settings, now=self._now(), unobserved_seconds=unobserved_seconds
        )
        try:
            self._carry_out(decision, rollouts, registry, current)
        except RolloutChangedError:
            return  # whoever was first has decided
        if decision.verdict != "hold":
            self._log.info(
                "rollout_moved",
                model=rollouts.model,
                version=step.version,
                decision=decision.verdict,
                share=decision.share,
                cause=decision.cause,
                reason=decision.reason,
            )

    def _observe(self, model: str, step: RolloutStep) -> tuple[Observed | None, float]:
        """What is seen, and for how long nothing was; a keeper that starts anew waits as long anew."""
        version, seen_at = self._observed_at.get(model, (0, 0.0))
        try:
            observed = self._observer.observe(model, step, (self._now() - step.entered_at).total_seconds())
        except UnobservedError as error:
            self._log.info("rollout_unobserved", model=model, version=step.version, message=str(error))
            if version != step.version:
                self._observed_at[model] = step.version, time.monotonic()
                return None, 0.0
            return None, time.monotonic() - seen_at
        self._observed_at[model] = step.version, time.monotonic()
        return observed, 0.0

    def _carry_out(self, decision: Decision, rollouts: Rollouts, registry: ModelRegistry, current: CurrentStep) -> None:
        step = current.step
        match decision.verdict:
            case "hold":
                pass
            case "widen":
                rollouts.move(current, step.then(step.state, decision.share, ACTOR, decision.reason))
            case "take_back":
                rollouts.move(current, step.then("taken_back", 0.0, ACTOR, decision.reason, decision.cause))
            case "promoted":
                rollouts.move(current, step.then("promoted", 1.0, ACTOR, decision.reason))
            case "promote":
                # The champion first: whoever is killed here finds it promoted, and writes that down.
                self._promote(registry, step, decision)
                rollouts.move(current, step.then("promoted", 1.0, ACTOR, decision.reason))

    def _promote(self, registry: ModelRegistry, step: RolloutStep, decision: Decision) -> None:
        reason = f"{step.state}: {decision.reason}"[:1000]
        try:
            registry.promote(step.version, replacing=step.champion, actor=ACTOR, reason=reason)
        except ChampionChangedError as error:
            # Between the look and now; the next look takes it back.
            raise RolloutChangedError(registry.model) from error


def _ends(steps: list[RolloutStep]) -> dict[str, tuple[int, datetime]]:
    ends: dict[str, tuple[int, datetime]] = {}
    for step in steps:
        if not step.running:
            outcome = "aborted" if step.cause == "person" else step.state
            ends[outcome] = (ends.get(outcome, (0, step.entered_at))[0] + 1, step.entered_at)
    return ends
