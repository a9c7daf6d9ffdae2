"""One request while a challenger is on trial."""

import time
from dataclasses import dataclass, field
from typing import Protocol

from scoring.challenger import Challenger
from scoring.champion import ServedModel
from scoring.prediction import Scored


class Score(Protocol):
    """A request, scored by whatever model."""

    def __call__(self, model: ServedModel, *, on_loop: bool) -> Scored:
        """Raises RequestError where the request is none of this model's."""


@dataclass(slots=True)
class Trial:
    """A request, and whose it is.

    Attributes:
        challenger: who is on trial.
        key: of the request.
        score: the request, by a model.
        size_bytes: of its body.
        is_challengers: whether the challenger is to answer it or, as a shadow, to score it too.
        failed: whether the challenger was to answer it and could not, where the champion could.
    """

    challenger: Challenger
    key: bytes
    score: Score
    size_bytes: int
    is_challengers: bool = field(init=False)
    failed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Decides whose it is, once."""
        self.is_challengers = self.challenger.takes(self.key)

    def answer(self, champion: ServedModel, *, on_loop: bool = True) -> Scored:
        """The answer of whoever is to give it, timed.

        What the challenger cannot answer the champion is asked: no client meets a challenger's failure. Where neither
        can, the request is at fault, and the champion says in what.
        """
        if self.challenger.role == "canary" and self.is_challengers:
            try:
                scored = self.timed(self.challenger.model, on_loop=on_loop)
            except Exception:  # noqa: BLE001 - whatever it is, the champion may do better
                self.failed = True
            else:
                scored.role = "canary"
                return scored
        return self.timed(champion, on_loop=on_loop)

    def timed(self, model: ServedModel, *, on_loop: bool) -> Scored:
        """What a model answers, and how long it took."""
        started = time.perf_counter()
        scored = self.score(model, on_loop=on_loop)
        scored.seconds, scored.trial = time.perf_counter() - started, self
        return scored
