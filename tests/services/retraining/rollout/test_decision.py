"""What becomes of a rollout, case by case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pytest
from lifecycle.registry import Champion
from lifecycle.rollouts import RolloutMode, RolloutStep
from pydantic import ValidationError
from retraining.rollout.decision import decide
from retraining.rollout.settings import RolloutSettings
from retraining.rollout.trial import Buckets, Observed, Side

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SETTINGS = RolloutSettings(
    canary_shares=(0.05, 0.5), shadow_share=0.8, step_seconds=600, step_rows=200, stalled_seconds=3600
)
FAST = Buckets((0.001, 0.01, inf), (1000, 1000, 1000))
SLOW = Buckets((0.001, 0.01, inf), (0, 1000, 1000))
LOW = Buckets((0.5, 1.0, inf), (900, 1000, 1000))
HIGH = Buckets((0.5, 1.0, inf), (100, 1000, 1000))
FEW = Buckets((0.5, 1.0, inf), (9, 10, 10))
FEW_HIGH = Buckets((0.5, 1.0, inf), (5, 10, 10))
WELL = Observed(Side(1000, 0, FAST, LOW), Side(1000, 0, FAST, LOW))


def step(share: float, mode: RolloutMode = "canary", age_seconds: float = 700) -> RolloutStep:
    """Version 2 against version 1."""
    return RolloutStep(
        sequence=1,
        version=2,
        state=mode,
        share=share,
        champion_version=1,
        champion_tag="a",
        entered_at=NOW - timedelta(seconds=age_seconds),
        actor="test",
        reason="test",
    )


def seen(**challenger: Any) -> Observed:  # noqa: ANN401 - any of a side's fields
    """Something else than well."""
    return replace(WELL, challenger=replace(WELL.challenger, **challenger))


CHAMPION = Champion(1, "a")

CASES: dict[str, tuple[RolloutStep, Champion | None, Observed | None, float, tuple[str, float, str | None]]] = {
    "it begins": (step(0, age_seconds=1), CHAMPION, None, 0, ("widen", 0.05, None)),
    "a shadow begins with its share": (step(0, "shadow", 1), CHAMPION, None, 0, ("widen", 0.8, None)),
    "a step is over": (step(0.05), CHAMPION, WELL, 0, ("widen", 0.5, None)),
    "the last step is over": (step(0.5), CHAMPION, WELL, 0, ("promote", 0, None)),
    "a shadow has one step": (step(0.8, "shadow"), CHAMPION, WELL, 0, ("promote", 0, None)),
    "too early": (step(0.05, age_seconds=500), CHAMPION, WELL, 0, ("hold", 0, None)),
    "too few rows": (step(0.05), CHAMPION, seen(outputs=FEW), 0, ("hold", 0, None)),
    "errors, and early": (step(0.05, age_seconds=9), CHAMPION, seen(failed=100), 0, ("take_back", 0, "error_rate")),
    "every request fails": (
        step(0.05, age_seconds=9),
        CHAMPION,
        seen(answered=0, failed=6, seconds=Buckets(), outputs=Buckets()),
        0,
        ("take_back", 0, "error_rate"),
    ),
    "a share of errors that is allowed": (step(0.05), CHAMPION, seen(failed=5), 0, ("widen", 0.5, None)),
    "errors above the limit that may be chance": (step(0.05), CHAMPION, seen(failed=12), 0, ("hold", 0, None)),
    "slow": (step(0.5, age_seconds=9), CHAMPION, seen(seconds=SLOW), 0, ("take_back", 0, "latency")),
    "drifted": (step(0.5, age_seconds=9), CHAMPION, seen(outputs=HIGH), 0, ("take_back", 0, "prediction_drift")),
    "a few drifted rows may be chance": (step(0.5), CHAMPION, seen(outputs=FEW_HIGH), 0, ("hold", 0, None)),
    "a shadow that drifted": (
        step(0.8, "shadow", 9),
        CHAMPION,
        seen(outputs=HIGH),
        0,
        ("take_back", 0, "prediction_drift"),
    ),
    "a pod refuses it": (
        step(0.05, age_seconds=9),
        CHAMPION,
        replace(WELL, refused=1.0),
        0,
        ("take_back", 0, "refused_by_scoring"),
    ),
    "not seen for a while": (step(0.05), CHAMPION, None, 60, ("hold", 0, None)),
    "not seen for long": (step(0.05), CHAMPION, None, 601, ("take_back", 0, "unobserved")),
    "no traffic for long": (step(0.05, age_seconds=4000), CHAMPION, seen(outputs=FEW), 0, ("take_back", 0, "stalled")),
    "slow traffic ends its step at last": (step(0.05, age_seconds=4000), CHAMPION, WELL, 0, ("widen", 0.5, None)),
    "it is champion already": (step(0.5), Champion(2, "b"), None, 999, ("promoted", 0, None)),
    "another champion": (step(0.5), Champion(3, "b"), WELL, 0, ("take_back", 0, "champion_changed")),
    "the champion went and came back": (step(0.5), Champion(1, "c"), WELL, 0, ("take_back", 0, "champion_changed")),
    "no champion": (step(0.5), None, WELL, 0, ("take_back", 0, "champion_changed")),
}


@pytest.mark.parametrize("case", CASES)
def test_what_becomes_of_a_rollout(case: str) -> None:
    """The verdict, the next share and the cause."""
    at, champion, observed, unobserved_seconds, expected = CASES[case]
    found = decide(at, champion, observed, SETTINGS, now=NOW, unobserved_seconds=unobserved_seconds)
    assert (found.verdict, found.share, found.cause) == expected
    assert found.reason


def test_a_reason_has_the_figures() -> None:
    """For people, in the history."""
    found = decide(step(0.05), CHAMPION, seen(failed=100), SETTINGS, now=NOW, unobserved_seconds=0)
    assert "error_rate 0.09091" in found.reason
    assert "is above 0.01; 1000 rows against 1000" in found.reason


@pytest.mark.parametrize("shares", ["0.5,0.05", "0.5,0.5", "", "0", "1.5"])
def test_shares_that_do_not_grow_are_refused(shares: str) -> None:
    """Before anything is rolled out by them."""
    with pytest.raises(ValidationError):
        RolloutSettings.model_validate({"canary_shares": shares})
