"""What happens when. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_SWAPS: Final = 10
"""An even number: the champion at the end is the one of the beginning."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A load that stays, and what is changed under it.

    Attributes:
        seconds: how long it lasts.
        per_second: requests.
    """

    seconds: float
    per_second: float

    @property
    def swaps_at(self) -> list[float]:
        """When another version becomes champion, in seconds from the start."""
        return [self.seconds * (0.5 + index) / _SWAPS for index in range(_SWAPS)]

    @property
    def rollout_at(self) -> float:
        """When every scoring pod is replaced: between two swaps, and early, for memory is compared on the new ones."""
        return self.seconds * 0.2

    @property
    def early(self) -> tuple[float, float]:
        """From when to when memory and handles are looked at first: the pods are warm by then."""
        return self.seconds * 0.35, self.seconds * 0.5

    @property
    def last(self) -> tuple[float, float]:
        """From when to when they are looked at again."""
        return self.seconds * 0.85, self.seconds

    def due(self) -> Iterator[float]:
        """When each request is to be sent, in seconds from the start."""
        for index in range(int(self.seconds * self.per_second)):
            yield index / self.per_second
