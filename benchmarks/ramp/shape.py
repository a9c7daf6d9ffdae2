"""How much is asked for at each moment. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A load that rises in a straight line, stays, falls in a straight line, and rests.

    Attributes:
        base_per_second: requests a second before and after.
        factor: how many times as much at the top.
        calm_seconds: before the rise.
        rise_seconds: from the base to the top.
        hold_seconds: at the top.
        fall_seconds: from the top to the base.
        rest_seconds: at the base again, in which the pods may go.
    """

    base_per_second: float
    factor: float = 10
    calm_seconds: float = 20
    rise_seconds: float = 100
    hold_seconds: float = 105
    fall_seconds: float = 60
    rest_seconds: float = 420

    @property
    def held_at(self) -> float:
        """When the top is reached, in seconds from the start."""
        return self.calm_seconds + self.rise_seconds

    @property
    def rested_at(self) -> float:
        """When the load is back at its base."""
        return self.held_at + self.hold_seconds + self.fall_seconds

    @property
    def seconds(self) -> float:
        """How long all of it takes."""
        return self.rested_at + self.rest_seconds

    def per_second(self, at: float) -> float:
        """Requests a second at so many seconds from the start."""
        up = (at - self.calm_seconds) / self.rise_seconds
        down = (self.rested_at - at) / self.fall_seconds
        return self.base_per_second * (1 + (self.factor - 1) * max(0.0, min(1.0, up, down)))

    def due(self) -> Iterator[float]:
        """When each request is to be sent, in seconds from the start."""
        at = 0.0
        while at < self.seconds:
            yield at
            at += 1 / self.per_second(at)

    def crossed_at(self, per_second: float) -> float | None:
        """When the load first passes this many requests a second; None where it never does."""
        share = (per_second / self.base_per_second - 1) / (self.factor - 1)
        if share >= 1:
            return None
        return self.calm_seconds + self.rise_seconds * share if share > 0 else 0.0
