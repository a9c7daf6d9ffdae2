"""What the receiver tells Prometheus."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from retraining.receiver.receiver import Seen
from retraining.rollout.keeper import Told as Rollout

_ALWAYS = ("promoted", "rolling_out", "refused", "failed")
"""Outcomes that every model has a series of, so that the first of a kind is an increase."""

_ROLLOUT_ENDS = ("promoted", "taken_back", "aborted")


class Told(Protocol):
    """What the metrics are made of."""

    counts: Counter[tuple[str, str, str]]
    """Decisions by model, trigger and verdict."""
    seen: dict[str, Seen] | None
    """What the last look showed, by model."""


class ToldOfRollouts(Protocol):
    """What the metrics of rollouts are made of."""

    told: dict[str, Rollout]
    """What the last look showed, by model."""


class RunMetrics(Collector):
    """Decisions as they are made; runs and champions as they were when last looked at."""

    def __init__(self, receiver: Told) -> None:
        """Args: whose."""
        self._receiver = receiver

    def collect(self) -> Iterator[Metric]:
        """The metrics of now."""
        decisions = CounterMetricFamily(
            "retraining_decisions_total",
            "Wishes for a run, by who asked and what was decided.",
            labels=("model", "trigger", "decision"),
        )
        for labels, count in sorted(dict(self._receiver.counts).items()):
            decisions.add_metric(labels, count)
        yield decisions
        runs = CounterMetricFamily("retraining_runs_total", "Runs that ended, by outcome.", labels=("model", "outcome"))
        last = GaugeMetricFamily(
            "retraining_last_run_timestamp_seconds", "When the last run ended so.", labels=("model", "outcome")
        )
        active = GaugeMetricFamily("retraining_run_active", "1 while a run is under way.", labels=("model",))
        champion = GaugeMetricFamily(
            "retraining_champion_created_timestamp_seconds", "When the champion was trained.", labels=("model",)
        )
        for model, seen in sorted((self._receiver.seen or {}).items()):
            for outcome, (count, newest) in _ended(seen).items():
                runs.add_metric((model, outcome), count)
                if newest is not None:
                    last.add_metric((model, outcome), newest.timestamp())
            active.add_metric((model,), any(job.finished_at is None for job in seen.jobs))
            if seen.champion_created_at is not None:
                champion.add_metric((model,), seen.champion_created_at.timestamp())
        yield from (runs, last, active, champion)


class RolloutMetrics(Collector):
    """Rollouts as they were when last looked at."""

    def __init__(self, keeper: ToldOfRollouts) -> None:
        """Args: whose."""
        self._keeper = keeper

    def collect(self) -> Iterator[Metric]:
        """The metrics of now."""
        share = GaugeMetricFamily(
            "retraining_rollout_share",
            "Of the requests, that the version on trial is given; gone once it is not.",
            labels=("model", "version", "mode"),
        )
        ends = CounterMetricFamily(
            "retraining_rollouts_total", "Rollouts that ended, by outcome.", labels=("model", "outcome")
        )
        last = GaugeMetricFamily(
            "retraining_last_rollout_timestamp_seconds", "When the last rollout ended so.", labels=("model", "outcome")
        )
        for model, told in sorted(self._keeper.told.items()):
            step = told.current
            if step.running:
                share.add_metric((model, str(step.version), step.state), step.share)
            for outcome in _ROLLOUT_ENDS:
                count, moment = told.ends.get(outcome, (0, None))
                ends.add_metric((model, outcome), count)
                if moment is not None:
                    last.add_metric((model, outcome), moment.timestamp())
        yield from (share, ends, last)


def new_registry(receiver: Told, keeper: ToldOfRollouts | None = None) -> CollectorRegistry:
    """The metrics of the process, of the runs and, where rollouts are kept here, of them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunMetrics(receiver))
    if keeper is not None:
        registry.register(RolloutMetrics(keeper))
    PlatformCollector(registry)
    ProcessCollector(registry=registry)
    return registry


def _ended(seen: Seen) -> dict[str, tuple[int, datetime | None]]:
    """How many runs ended how, and when the newest of each did."""
    ends: list[tuple[str, datetime]] = [(found.result, found.finished_at) for found in seen.outcomes.values()]
    ends += [("failed", job.finished_at) for job in seen.lost if job.finished_at is not None]
    counts = Counter(result for result, _ in ends)
    return {
        result: (counts[result], max((moment for found, moment in ends if found == result), default=None))
        for result in dict.fromkeys((*_ALWAYS, *sorted(counts)))
    }
