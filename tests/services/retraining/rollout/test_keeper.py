"""The keeper takes the steps that are due, and a keeper that starts anew goes on where another one was."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import ModelRefusedError, ModelRegistry
from lifecycle.rollouts import CurrentStep, RolloutMode, Rollouts, RolloutStep
from lifecycle.store import ObjectStore
from obstore.store import MemoryStore
from retraining.rollout.keeper import Keeper
from retraining.rollout.observation import UnobservedError
from retraining.rollout.settings import RolloutSettings
from retraining.rollout.trial import Observed
from tests.services.retraining.rollout.test_decision import HIGH, WELL, seen
from tests.services.retraining.test_retrain import Counting, Killed

SETTINGS = RolloutSettings(canary_shares=(0.05, 0.5), step_seconds=600, step_rows=200)


class World:
    """A registry with a champion and two challengers, a clock and what is seen."""

    def __init__(self, describe: Callable[[int, ModelFile], Manifest]) -> None:
        """Version 1 is champion."""
        self.backend = MemoryStore()
        self.store = ObjectStore(self.backend)
        self.registry = ModelRegistry(self.store, "car-loan")
        self.rollouts = Rollouts(self.store, "car-loan")
        for version in (1, 2, 3):
            self.registry.publish(b"model %d" % version, describe)
        self.registry.promote(1, replacing=None)
        self.now = datetime.now(UTC)
        self.observed: Observed | None = WELL
        self.asked: list[float] = []

    def observe(self, model: str, step: RolloutStep, age_seconds: float) -> Observed:  # noqa: ARG002 - the protocol's
        """See Observer."""
        self.asked.append(age_seconds)
        if self.observed is None:
            raise UnobservedError("away")
        return self.observed

    def keeper(self) -> Keeper:
        """One that starts now."""
        return Keeper(self.store, SETTINGS, self, lambda: self.now)

    def begin(self, mode: RolloutMode = "canary") -> None:
        """Version 2 is on trial."""
        champion = self.registry.champion()
        assert champion is not None
        self.rollouts.begin(2, mode, champion, actor="test", reason="test")

    @property
    def current(self) -> CurrentStep:
        """The newest step."""
        found = self.rollouts.current()
        assert found is not None
        return found

    def look(self, keeper: Keeper, after_seconds: float = 0, *others: str) -> tuple[str, float]:
        """A look some time after the last, at other models before; the state and the share then."""
        self.now += timedelta(seconds=after_seconds)
        keeper.look([*others, "car-loan", "unknown"])
        return self.current.step.state, self.current.step.share

    @property
    def champion(self) -> int:
        """The version that serves."""
        found = self.registry.champion()
        assert found is not None
        return found.version


@pytest.fixture
def world(describe: Callable[[int, ModelFile], Manifest]) -> World:
    """No rollout yet."""
    return World(describe)


def test_a_good_canary_becomes_champion_step_by_step(world: World) -> None:
    """Each step by another keeper, as if each died after one; the history says who and why."""
    world.begin()
    found = [world.look(world.keeper(), 700) for _ in range(4)]
    assert found == [("canary", 0.05), ("canary", 0.5), ("promoted", 1.0), ("promoted", 1.0)]
    assert world.champion == 2
    newest = world.registry.history()[-1]
    assert newest.actor == "retraining/rollout"
    assert newest.reason.startswith("canary: error_rate 0 of 0.01")


def test_a_good_shadow_becomes_champion(world: World) -> None:
    """After its one step."""
    world.begin("shadow")
    keeper = world.keeper()
    assert [world.look(keeper, 700)[0] for _ in range(2)] == ["shadow", "promoted"]
    assert world.champion == 2


def test_a_bad_one_is_taken_back_and_told_of(world: World) -> None:
    """The champion was never moved, and the next one may begin."""
    world.begin()
    keeper = world.keeper()
    world.look(keeper)
    world.observed = seen(outputs=HIGH)
    assert world.look(keeper, 15) == ("taken_back", 0.0)
    assert world.current.step.cause == "prediction_drift"
    assert world.champion == 1
    assert {outcome: count for outcome, (count, _) in keeper.told["car-loan"].ends.items()} == {"taken_back": 1}
    world.begin()
    assert world.look(keeper) == ("canary", 0.05)


def test_a_keeper_that_died_after_the_promotion_finds_it_done(world: World) -> None:
    """Only that is left to be written down."""
    world.begin()
    world.look(world.keeper())
    world.registry.promote(2, replacing=world.current.step.champion)
    assert world.look(world.keeper()) == ("promoted", 1.0)
    assert len(world.registry.history()) == 2


PROMOTION_WRITES = 6
"""The former move, the champion, the new move; the former step, the last one, and that in the history."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at_write", range(1, PROMOTION_WRITES + 1))
def test_a_keeper_killed_at_any_write_of_a_promotion_is_followed_by_one_that_ends_it(
    world: World, at_write: int, *, after: bool
) -> None:
    """As an undisturbed one would have: one move of the champion, every step in the history."""
    world.begin()
    for _ in range(2):
        world.look(world.keeper(), 700)
    world.now += timedelta(seconds=700)
    counting = Counting(world.backend, Killed(), at_write=at_write, after=after)
    with pytest.raises(Killed):
        Keeper(counting, SETTINGS, world, lambda: world.now).look(["car-loan"])
    assert counting.writes == at_write
    assert world.look(world.keeper(), 1) == ("promoted", 1.0)
    assert [move.version for move in world.registry.history()] == [1, 2]
    assert [step.share for step in world.rollouts.history()] == [0.0, 0.05, 0.5, 1.0]


def test_a_champion_that_a_person_moved_ends_the_rollout_and_is_not_overwritten(world: World) -> None:
    """Even back to the same version."""
    world.begin()
    keeper = world.keeper()
    world.look(keeper)
    world.registry.promote(3, replacing=world.registry.champion())
    world.registry.roll_back(1, actor="ann", reason="x")
    assert world.look(keeper, 700) == ("taken_back", 0.0)
    assert (world.current.step.cause, world.champion) == ("champion_changed", 1)


def test_what_is_not_seen_for_long_is_taken_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of the keeper's own, which begins anew with it."""
    clock = 1000.0
    monkeypatch.setattr("retraining.rollout.keeper.time.monotonic", lambda: clock)
    world.begin()
    keeper = world.keeper()
    world.observed = None
    assert world.look(keeper) == ("canary", 0.05)
    clock += 599
    assert world.look(keeper) == ("canary", 0.05)
    world.observed = WELL
    assert world.look(keeper) == ("canary", 0.05)
    world.observed = None
    clock += 599
    assert world.look(keeper) == ("canary", 0.05)
    clock += 2
    assert world.look(keeper) == ("taken_back", 0.0)
    assert world.current.step.cause == "unobserved"


def test_of_two_keepers_one_takes_the_step(world: World) -> None:
    """The other finds it taken, and looks again."""
    world.begin()
    stale = world.current
    world.look(world.keeper())
    taken = world.current
    keeper = world.keeper()
    keeper._move(Rollouts(world.store, "car-loan"), stale)
    assert world.current == taken


def test_it_asks_for_what_was_seen_since_the_step_began(world: World) -> None:
    """And not for what an earlier share has shown."""
    world.begin()
    keeper = world.keeper()
    world.look(keeper, 700)
    world.look(keeper, 300)
    assert world.asked[1] == pytest.approx(1000, abs=30)


def test_a_model_that_cannot_be_looked_at_keeps_no_other_from_it(world: World) -> None:
    """It is told nothing of, so that the alert of a rollout without a keeper fires."""
    world.begin()
    keeper = world.keeper()
    keeper.look(["car-loan"])
    assert set(keeper.told) == {"car-loan"}
    assert world.store.create("broken/rollout.json", b"{}")
    with pytest.raises(ModelRefusedError, match=r"broken/rollout\.json"):
        world.look(keeper, 700, "broken")
    assert world.current.step.share == 0.5
    current = world.current
    assert world.store.replace("car-loan/rollout.json", b"{}", current.e_tag)
    with pytest.raises(ModelRefusedError):
        keeper.look(["car-loan"])
    assert keeper.told == {}
