"""What was seen of both versions since a step began. Pure."""

from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt

_SURE = 2.6
"""Standard deviations: a figure at its bound is taken for one above it once in two hundred times."""


@dataclass(frozen=True)
class Buckets:
    """A cumulative histogram as Prometheus has it.

    Attributes:
        bounds: the upper ends, ascending, the last one infinite.
        counts: how many were at or below each.
    """

    bounds: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()

    @property
    def total(self) -> float:
        """How many there were."""
        return self.counts[-1] if self.counts else 0.0

    def at_or_below(self, value: float) -> float:
        """The share of what was at or below a value, on a straight line within its bucket."""
        if not self.total:
            return 0.0
        below, counted = 0.0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            if value <= bound:
                part = 0.0 if bound == inf else (value - below) / (bound - below)
                return (counted + part * (count - counted)) / self.total
            below, counted = bound, count
        return 1.0

    def quantile(self, share: float) -> float:
        """Up to where this share lies; the largest finite bound where it lies beyond."""
        wanted = share * self.total
        for (low, before), (high, count) in pairwise(zip((0.0, *self.bounds), (0.0, *self.counts), strict=True)):
            if count >= wanted and count > before:
                return low if high == inf else low + (high - low) * (wanted - before) / (count - before)
        return self.bounds[-2] if len(self.bounds) > 1 else 0.0


@dataclass(frozen=True)
class Side:
    """One version in a trial.

    Attributes:
        answered: requests that it scored.
        failed: requests that it could not, where the other one could.
        seconds: from a request's body to its answer.
        outputs: what it predicted, a row each.
    """

    answered: float = 0.0
    failed: float = 0.0
    seconds: Buckets = Buckets()
    outputs: Buckets = Buckets()


@dataclass(frozen=True)
class Observed:
    """Both sides since the step began.

    Attributes:
        champion: the one that is replaced if all goes well.
        challenger: the one on trial.
        refused: pods that do not serve the challenger because it is not what it says it is.
    """

    champion: Side
    challenger: Side
    refused: float = 0.0


@dataclass(frozen=True)
class Finding:
    """A figure, and how far it can be trusted.

    Attributes:
        value: as it is seen.
        surely: what it is at least, taking into account of how few requests it may come.
    """

    value: float
    surely: float


def error_rate(side: Side) -> Finding:
    """The share of requests that failed."""
    return share(side.failed, side.answered + side.failed)


def slow_share(observed: Observed, ratio: float, floor_seconds: float) -> Finding:
    """The share of the challenger's requests that took longer than the champion's 95th percentile times `ratio`.

    A twentieth of the champion's own took longer than that percentile; so a share above a twentieth says that the
    challenger's 95th percentile is more than `ratio` times as long.
    """
    limit = max(floor_seconds, ratio * observed.champion.seconds.quantile(0.95))
    seconds = observed.challenger.seconds
    return share((1 - seconds.at_or_below(limit)) * seconds.total, seconds.total)


def drift(observed: Observed) -> Finding:
    """The largest distance between the cumulative distributions of what both predict, 0 to 1 (Kolmogorov-Smirnov)."""
    one, other = observed.challenger.outputs, observed.champion.outputs
    if not one.total or not other.total or one.bounds != other.bounds:
        return Finding(0.0, 0.0)
    pairs = zip(one.counts, other.counts, strict=True)
    distance = max(abs(mine / one.total - theirs / other.total) for mine, theirs in pairs)
    # At 1.95 of these, two samples of one distribution are that far apart once in a thousand times.
    noise = 1.95 * sqrt(1 / one.total + 1 / other.total)
    return Finding(distance, max(0.0, distance - noise))


def share(count: float, total: float) -> Finding:
    """A share, and the lower end of its interval (Wilson's)."""
    if total <= 0:
        return Finding(0.0, 0.0)
    seen, weight = min(1.0, count / total), _SURE**2 / total
    middle = seen + weight / 2
    margin = _SURE * sqrt(max(0.0, seen * (1 - seen)) / total + weight / (4 * total))
    return Finding(seen, max(0.0, (middle - margin) / (1 + weight)))
