"""The pointer of a rollout moves by compare-and-swap, and every step is kept."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import obstore
import pytest
from lifecycle.registry import Champion, ModelRefusedError
from lifecycle.rollouts import NoRolloutError, RolloutChangedError, RolloutRunningError, Rollouts
from lifecycle.store import ObjectStore

CHAMPION = Champion(1, "tag")


@pytest.fixture
def rollouts(store: ObjectStore) -> Rollouts:
    """None was ever begun."""
    return Rollouts(store, "car-loan")


def begin(rollouts: Rollouts, version: int = 2) -> None:
    """Puts a version on trial as a canary."""
    rollouts.begin(version, "canary", CHAMPION, actor="ann", reason="better")


def widen(rollouts: Rollouts, share: float) -> None:
    """Takes a step."""
    current = rollouts.current()
    assert current is not None
    rollouts.move(current, current.step.then("canary", share, "keeper", "well"))


def test_before_the_first_there_is_none(rollouts: Rollouts) -> None:
    """And nothing to abort."""
    assert rollouts.current() is None
    assert rollouts.history() == []
    with pytest.raises(NoRolloutError):
        rollouts.abort(actor="ann", reason="x")


def test_every_step_is_kept_with_who_and_why(rollouts: Rollouts) -> None:
    """From the begin, with no share yet, to the end."""
    begin(rollouts)
    widen(rollouts, 0.05)
    rollouts.abort(actor="ben", reason="complaints")
    steps = [(step.sequence, step.state, step.share, step.actor, step.cause) for step in rollouts.history()]
    assert steps == [
        (1, "canary", 0.0, "ann", None),
        (2, "canary", 0.05, "keeper", None),
        (3, "taken_back", 0.0, "ben", "person"),
    ]
    assert [step.sequence for step in rollouts.history(after=2)] == [3]
    assert rollouts.history(after=3) == []


def test_one_version_is_on_trial_at_a_time(rollouts: Rollouts) -> None:
    """The same again changes nothing; another one waits until it is over."""
    begin(rollouts)
    widen(rollouts, 0.5)
    begin(rollouts)
    assert [step.share for step in rollouts.history()] == [0.0, 0.5]
    with pytest.raises(RolloutRunningError, match="version 2 is on trial"):
        begin(rollouts, 3)
    rollouts.abort(actor="ann", reason="x")
    begin(rollouts, 3)
    current = rollouts.current()
    assert current is not None
    assert (current.step.version, current.step.sequence) == (3, 4)


def test_of_many_that_move_at_once_one_wins_and_the_others_are_told(rollouts: Rollouts) -> None:
    """Twenty times; the history is whole."""
    begin(rollouts)
    with ThreadPoolExecutor(4) as threads:
        for turn in range(20):
            current = rollouts.current()
            assert current is not None
            steps = [current.step.then("canary", (turn + 1) / 100, f"keeper {n}", "well") for n in range(4)]

            def told(move: Callable[[], None]) -> bool:
                try:
                    move()
                except RolloutChangedError:
                    return False
                return True

            moves = [lambda step=step, seen=current: rollouts.move(seen, step) for step in steps]
            assert sum(threads.map(told, moves)) == 1
    assert [step.sequence for step in rollouts.history()] == list(range(1, 22))


def test_a_writer_that_died_before_its_history_leaves_no_gap(
    backend: obstore.store.ObjectStore, rollouts: Rollouts
) -> None:
    """Whoever comes next writes that entry first."""
    begin(rollouts)
    obstore.delete(backend, "car-loan/rollouts/00000001.json")
    widen(rollouts, 0.05)
    assert [step.share for step in rollouts.history()] == [0.0, 0.05]


@pytest.mark.parametrize("bytes_", [b"{", b"{}", b"x" * 5000], ids=["torn", "empty", "large"])
def test_a_pointer_that_is_no_step_is_told(
    backend: obstore.store.ObjectStore, rollouts: Rollouts, bytes_: bytes
) -> None:
    """By its key and a cause of the fixed list."""
    obstore.put(backend, "car-loan/rollout.json", bytes_)
    with pytest.raises(ModelRefusedError, match=r"car-loan/rollout\.json") as caught:
        rollouts.current()
    assert caught.value.cause == "rollout_invalid"


def test_a_look_tells_whether_there_is_a_newer_step(rollouts: Rollouts) -> None:
    """What a pod asks every two seconds."""
    begin(rollouts)
    seen = rollouts.current()
    assert seen is not None
    assert not rollouts.has_moved(seen)
    widen(rollouts, 0.05)
    assert rollouts.has_moved(seen)
