"""What the stack shows of itself from one moment to the next, and what is new in it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

METRIC: Final = "accuracy"
"""What the story follows: of a chunk of 1,000 rows it falls beyond chance where cars get dearer; AUC hardly does."""
ESTIMATED: Final = "estimated_performance"
REALIZED: Final = "realized_performance"

Measure = Mapping[str, Any]
"""A row of the drift service's results."""


@dataclass(frozen=True)
class Sight:
    """One look at the stack.

    Attributes:
        champion: the version that the drift service watches; none before there is one.
        measures: what it found about the chunks of that version.
        alerts: the names of the alerts that are active for the model.
        runs: retraining runs, newest first.
        replicas: the version that each scoring pod serves.
    """

    champion: int | None = None
    measures: Sequence[Measure] = ()
    alerts: frozenset[str] = frozenset()
    runs: Sequence[Mapping[str, Any]] = ()
    replicas: Mapping[str, int] = field(default_factory=dict)

    def of(self, family: str) -> list[Measure]:
        """The chunks of a kind of performance, in order."""
        found = (each for each in self.measures if each["family"] == family and each["method"] == METRIC)
        return sorted(found, key=lambda each: int(each["chunk"]))

    @property
    def drifted(self) -> list[str]:
        """Columns of the newest chunk that no longer look like the reference."""
        newest = max((int(each["chunk"]) for each in self.measures), default=-1)
        return sorted(
            each["column"]
            for each in self.measures
            if each["chunk"] == newest and each["family"] == "univariate" and each["alert"]
        )

    def serves(self, version: int) -> bool:
        """Whether every replica does."""
        return bool(self.replicas) and set(self.replicas.values()) == {version}

    def promoted(self, known: frozenset[str]) -> int | None:
        """The version that a run promoted, of the runs that are not among those known."""
        versions = (run["version"] for run in self.runs if run["run"] not in known and run["result"] == "promoted")
        return next(versions, None)

    @property
    def known_runs(self) -> frozenset[str]:
        """What tells runs apart; the name of a Job comes again."""
        return frozenset(run["run"] for run in self.runs)


def is_low(chunk: Measure) -> bool:
    """Whether performance is below what the reference allows; a chunk that is better than ever is an alert as well."""
    return bool(chunk["alert"]) and chunk["value"] < chunk["lower_threshold"]


def news(before: Sight, now: Sight) -> Iterator[tuple[str, str]]:
    """What happened between two looks, each with its kind and in words."""
    same = before.champion == now.champion
    if now.drifted and not (same and before.drifted):
        yield "drift", f"the newest chunk no longer looks like the reference in {', '.join(now.drifted)}"
    for family, word in ((ESTIMATED, "estimated"), (REALIZED, "realized")):
        yield from _performance(before.of(family) if same else [], now.of(family), word)
    for name in sorted(now.alerts - before.alerts):
        yield "alert", f"{name} fires"
    for name in sorted(before.alerts - now.alerts):
        yield "alert", f"{name} is over"
    yield from _runs(before, now)
    yield from _replicas(before, now)


def _performance(before: Sequence[Measure], now: Sequence[Measure], word: str) -> Iterator[tuple[str, str]]:
    if not now or (before and is_low(before[-1]) == is_low(now[-1])):
        return
    value = f"{now[-1]['value']:.4f}"
    if is_low(now[-1]):
        yield word, f"{word} accuracy falls to {value}; the reference allows {now[-1]['lower_threshold']:.4f}"
    elif before:
        yield word, f"{word} accuracy is back at {value}"
    else:
        yield word, f"{word} accuracy of the champion's first chunk is {value}"


def _runs(before: Sight, now: Sight) -> Iterator[tuple[str, str]]:
    states = {run["run"]: run["state"] for run in before.runs}
    for run in reversed(now.runs):
        was = states.get(run["run"])
        if was is None:
            yield "retraining", f"{run['job']} begins, asked for by {run['trigger']}"
        if run["state"] == "ended" and was != "ended":
            yield "gate", f"{run['result']}: {run['message']}"


def _replicas(before: Sight, now: Sight) -> Iterator[tuple[str, str]]:
    was, is_ = set(before.replicas.values()), set(now.replicas.values())
    if not was:
        return
    for version in sorted(is_ - was):
        yield "swap", f"a replica serves version {version}"
    # Between two looks all of them may have swapped.
    if len(is_) == 1 and is_ != was:
        yield "swap", f"every replica serves version {min(is_)}"
