"""Pods follow the rollout's pointer: they load, widen, take away and resume; whatever is wrong, the champion serves."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import obstore
import pytest
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import ModelRegistry
from lifecycle.rollouts import Rollouts
from lifecycle.store import ObjectStore, StoreUnavailableError
from obstore.store import MemoryStore
from retraining.training import Trained
from scoring.challenger_loader import ChallengerLoader
from scoring.champion import ChampionHolder, ServedModel
from scoring.loader import ChampionLoader, ChampionSource
from scoring.metrics import Metrics
from tests.services.scoring.challengers import publish, shorter

Describe = Callable[[int, ModelFile], Manifest]


@dataclass
class Pod:
    """What follows both pointers in one pod."""

    store: ObjectStore
    holder: ChampionHolder = field(default_factory=ChampionHolder)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        """As the service does it; the champion is loaded."""
        source = ChampionSource(ModelRegistry(self.store, "car-loan"))
        self.champions = ChampionLoader(source, self.holder, self.metrics)
        rollouts = Rollouts(self.store, "car-loan")
        self.challengers = ChallengerLoader(rollouts, source.load_version, self.holder, self.metrics)
        asyncio.run(self.champions.load_first())

    def look(self) -> tuple[int, int | None, str, float]:
        """Looks at both pointers; the champion, and the challenger with its role and its share."""
        asyncio.run(self.champions.follow())
        asyncio.run(self.challengers.follow())
        return self.serving

    @property
    def serving(self) -> tuple[int, int | None, str, float]:
        """As `look`, without a look."""
        champion, challenger = self.holder.current, self.holder.challenger
        assert isinstance(champion, ServedModel)
        if challenger is None:
            return champion.manifest.version, None, "", 0.0
        return champion.manifest.version, challenger.model.manifest.version, challenger.role, challenger.share

    def told(self, name: str, **labels: str) -> float | None:
        """A sample of the metrics."""
        return self.metrics.registry.get_sample_value(name, {"model": "car-loan", "version": "2", **labels})


class World:
    """Version 1 is champion, 2 is a fit challenger."""

    def __init__(self, trained: Trained, describe: Describe) -> None:
        """Both are in the registry."""
        self.backend = MemoryStore()
        self.store = ObjectStore(self.backend)
        self.registry = ModelRegistry(self.store, "car-loan")
        self.rollouts = Rollouts(self.store, "car-loan")
        self.registry.promote(self.registry.publish(trained.text.encode(), describe).version, replacing=None)
        publish(self.registry, shorter(trained), trained, describe)

    def begin(self, version: int = 2, mode: Any = "canary", share: float = 0.05) -> None:  # noqa: ANN401 - a literal
        """Puts a version on trial."""
        champion = self.registry.champion()
        assert champion is not None
        self.rollouts.begin(version, mode, champion, actor="test", reason="test")
        self.widen(share)

    def widen(self, share: float) -> None:
        """The next step."""
        current = self.rollouts.current()
        assert current is not None
        self.rollouts.move(current, current.step.then(current.step.state, share, "test", "test"))


@pytest.fixture
def world(trained: Trained, describe: Describe) -> World:
    """No rollout yet."""
    return World(trained, describe)


def test_a_challenger_is_loaded_widened_and_taken_away(world: World) -> None:
    """At a look each; a wider share loads nothing anew."""
    pod = Pod(world.store)
    assert pod.look() == (1, None, "", 0.0)
    world.begin()
    assert pod.look() == (1, 2, "canary", 0.05)
    assert pod.told("scoring_trial_share", role="canary") == 0.05
    first = pod.holder.challenger
    world.widen(0.5)
    assert pod.look() == (1, 2, "canary", 0.5)
    assert first is not None
    assert pod.holder.challenger is not None
    assert pod.holder.challenger.model is first.model
    world.rollouts.abort(actor="test", reason="test")
    assert pod.look() == (1, None, "", 0.0)
    assert pod.told("scoring_trial_share", role="canary") is None


def test_a_pod_that_starts_in_the_middle_of_a_canary_resumes_it(world: World) -> None:
    """With the share of now."""
    world.begin(share=0.25)
    assert Pod(world.store).look() == (1, 2, "canary", 0.25)


def test_a_shadow_is_one(world: World) -> None:
    """By its role; a share of all is whole."""
    world.begin(mode="shadow", share=1.0)
    assert Pod(world.store).look() == (1, 2, "shadow", 1.0)


def test_a_challenger_that_became_champion_is_no_challenger(world: World) -> None:
    """From the swap on, before anybody wrote down that the rollout is over."""
    pod = Pod(world.store)
    world.begin(share=0.5)
    pod.look()
    world.registry.promote(2, replacing=world.registry.champion())
    asyncio.run(pod.champions.follow())
    assert pod.serving == (2, None, "", 0.0)
    assert pod.look() == (2, None, "", 0.0)


def test_a_rollback_ends_a_canary_at_the_same_look(world: World, trained: Trained, describe: Describe) -> None:
    """Whoever moves the champion: what was on trial against another one answers nobody any more."""
    pod = Pod(world.store)
    world.registry.promote(2, replacing=world.registry.champion())
    third = publish(world.registry, f"{trained.text}\n", trained, describe)
    world.begin(third, share=0.5)
    assert pod.look() == (2, 3, "canary", 0.5)
    world.registry.roll_back(1, actor="ann", reason="complaints")
    assert pod.look() == (1, None, "", 0.0)


@pytest.mark.parametrize(
    ("text", "cause"), [("no model", "model_unreadable"), (None, "sha256_mismatch")], ids=["no model", "tampered"]
)
def test_a_challenger_that_is_not_what_it_says_is_refused_once_and_the_champion_serves(
    world: World, trained: Trained, describe: Describe, text: str | None, cause: str
) -> None:
    """With its cause in the metrics, for whoever watches the rollout; the next rollout is tried."""
    published = world.registry.publish((text or f"{trained.text}\n").encode(), describe)
    if text is None:
        key = f"car-loan/versions/{published.version:08d}/model.txt"
        obstore.put(world.backend, key, f"{trained.text}!".encode())
    pod = Pod(world.store)
    world.begin(published.version)
    assert [pod.look() for _ in range(3)] == [(1, None, "", 0.0)] * 3
    assert pod.metrics.registry.get_sample_value("scoring_model_refusals_total", {"cause": cause}) == 1
    assert pod.told("scoring_trial_refused", version="3") == 1
    world.rollouts.abort(actor="test", reason="test")
    pod.look()
    assert pod.told("scoring_trial_refused", version="3") is None
    world.begin(2)
    assert pod.look() == (1, 2, "canary", 0.05)


def test_a_pointer_that_cannot_be_read_leaves_the_champion_alone(world: World) -> None:
    """And nobody else: who is on trial is not known."""
    pod = Pod(world.store)
    world.begin()
    assert pod.look()[1] == 2
    obstore.put(world.backend, "car-loan/rollout.json", b"{}")
    assert [pod.look() for _ in range(2)] == [(1, None, "", 0.0)] * 2
    refusals = {"cause": "rollout_invalid"}
    assert pod.metrics.registry.get_sample_value("scoring_model_refusals_total", refusals) == 1


def test_a_store_that_is_away_only_delays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who serves what goes on."""
    pod = Pod(world.store)
    world.begin(share=0.25)
    pod.look()

    def away(*_: object) -> bool:
        raise StoreUnavailableError("get", "car-loan/rollout.json", OSError("refused"))

    monkeypatch.setattr(ObjectStore, "changed", away)
    assert pod.look() == (1, 2, "canary", 0.25)
