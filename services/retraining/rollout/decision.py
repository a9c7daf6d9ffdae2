"""What becomes of a rollout after a look at it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from lifecycle.registry import Champion
from lifecycle.rollouts import RolloutStep, TakenBackCause

from retraining.rollout.settings import RolloutSettings
from retraining.rollout.trial import Finding, Observed, drift, error_rate, slow_share

Verdict: TypeAlias = Literal["hold", "widen", "promote", "promoted", "take_back"]
"""promoted: the challenger is champion already, and only that is left to be written down."""

_USUAL_SLOW_SHARE: Final = 0.05


@dataclass(frozen=True)
class Decision:
    """What to do, and why, for people.

    Attributes:
        verdict: what.
        reason: why.
        share: the next one, where it is widened.
        cause: of taking it back, one of a fixed list.
    """

    verdict: Verdict
    reason: str
    share: float = 0.0
    cause: TakenBackCause | None = None


@dataclass(frozen=True)
class Bound:
    """What a challenger must keep to.

    Attributes:
        cause: what it is called when it is broken.
        find: the figure.
        limit: what it may be at most.
    """

    cause: TakenBackCause
    find: Callable[[Observed, RolloutSettings], Finding]
    limit: Callable[[RolloutSettings], float]


BOUNDS: Final = (
    Bound("error_rate", lambda seen, _: error_rate(seen.challenger), lambda limits: limits.error_rate_limit),
    Bound(
        "latency",
        lambda seen, limits: slow_share(seen, limits.latency_ratio_limit, limits.latency_floor_seconds),
        lambda _: _USUAL_SLOW_SHARE,
    ),
    Bound("prediction_drift", lambda seen, _: drift(seen), lambda limits: limits.drift_limit),
)


def shares(step: RolloutStep, settings: RolloutSettings) -> tuple[float, ...]:
    """The shares that a rollout goes through."""
    return (settings.shadow_share,) if step.state == "shadow" else settings.canary_shares


def decide(
    step: RolloutStep,
    champion: Champion | None,
    observed: Observed | None,
    settings: RolloutSettings,
    *,
    now: datetime,
    unobserved_seconds: float,
) -> Decision:
    """What becomes of a rollout that runs.

    A bound is broken once that is beyond chance, however few requests there were. Where a figure lies above its bound
    and may do so by chance, the step goes on until more is known.

    Args:
        step: the newest.
        champion: of the registry now.
        observed: since the step began; None where it could not be seen.
        settings: steps and bounds.
        now: the time.
        unobserved_seconds: since the rollout could last be seen.
    """
    following = next((share for share in shares(step, settings) if share > step.share), None)
    ended = _ended(step, champion)
    if ended is not None:
        return ended
    if step.share == 0 and following is not None:
        return Decision("widen", "it begins", following)
    if observed is None:
        return _unobserved(unobserved_seconds, settings)
    return _broken(observed, settings) or _kept(step, observed, settings, following, now)


def _ended(step: RolloutStep, champion: Champion | None) -> Decision | None:
    """Whether the champion is another one than the one that the rollout is against."""
    if champion == step.champion:
        return None
    if champion is not None and champion.version == step.version:
        return Decision("promoted", "it is the champion")
    serving = "none" if champion is None else f"version {champion.version}"
    reason = f"the champion was version {step.champion_version} when it began and was moved since: it is {serving}"
    return Decision("take_back", reason, cause="champion_changed")


def _unobserved(seconds: float, settings: RolloutSettings) -> Decision:
    if seconds < settings.unobserved_seconds:
        return Decision("hold", "what scoring tells of it cannot be read")
    return Decision("take_back", f"what scoring tells of it could not be read for {seconds:.0f} s", cause="unobserved")


def _broken(observed: Observed, settings: RolloutSettings) -> Decision | None:
    """Whether a bound is broken beyond chance."""
    if observed.refused:
        reason = f"{observed.refused:.0f} scoring pods refuse it; their logs say why"
        return Decision("take_back", reason, cause="refused_by_scoring")
    for bound in BOUNDS:
        found, limit = bound.find(observed, settings), bound.limit(settings)
        if found.surely > limit:
            reason = f"{bound.cause} {found.value:.4g}, at least {found.surely:.4g}, is above {limit:.4g}"
            return Decision("take_back", f"{reason}; {_rows(observed)}", cause=bound.cause)
    return None


def _kept(
    step: RolloutStep, observed: Observed, settings: RolloutSettings, following: float | None, now: datetime
) -> Decision:
    """Whether the step is over, where no bound is broken for sure."""
    age_seconds = (now - step.entered_at).total_seconds()
    figures = [(bound.cause, bound.find(observed, settings).value, bound.limit(settings)) for bound in BOUNDS]
    doubtful = [cause for cause, value, limit in figures if value > limit]
    enough = age_seconds >= settings.step_seconds and observed.challenger.outputs.total >= settings.step_rows
    if enough and not doubtful:
        kept = ", ".join(f"{cause} {value:.4g} of {limit:.4g}" for cause, value, limit in figures)
        verdict: Verdict = "promote" if following is None else "widen"
        return Decision(verdict, f"{kept}; {_rows(observed)}", following or 0.0)
    if age_seconds >= settings.stalled_seconds:
        reason = f"the step has not ended after {age_seconds:.0f} s; {_rows(observed)}"
        return Decision("take_back", reason, cause="stalled")
    return Decision("hold", f"in doubt: {', '.join(doubtful) or 'nothing'}; {_rows(observed)}")


def _rows(observed: Observed) -> str:
    return f"{observed.challenger.outputs.total:.0f} rows against {observed.champion.outputs.total:.0f}"
