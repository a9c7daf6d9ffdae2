"""What scoring's pods tell of a trial, all together, as Prometheus has it.

From there and not from the pods: it adds them up, knows those that are gone, and what it knows outlives whoever asks.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Final

import httpx2
from lifecycle.rollouts import RolloutStep
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from retraining.rollout.trial import Buckets, Observed, Side

_TIMEOUT_SECONDS: Final = 10

_QUERIES: Final[Mapping[str, str]] = {
    "requests": "sum by (role, outcome) (increase(scoring_trial_requests_total{%s}[%ds]))",
    "seconds": "sum by (role, le) (increase(scoring_trial_duration_seconds_bucket{%s}[%ds]))",
    "outputs": "sum by (role, le) (increase(scoring_trial_output_bucket{%s}[%ds]))",
}
_REFUSED: Final = 'sum(scoring_trial_refused{model="%s", version="%d"})'
_HEARD: Final = 'count(scoring_trial_share{model="%s", version="%d"})'


class UnobservedError(Exception):
    """Prometheus does not answer, or knows nothing of the trial."""


class _Sample(BaseModel):
    model_config = ConfigDict(extra="ignore")

    metric: dict[str, str]
    value: tuple[float, float]


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore")

    result: Annotated[list[_Sample], Field(max_length=10_000)]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    data: _Data


class Prometheus:
    """Asks for trials."""

    def __init__(self, client: httpx2.Client) -> None:
        """Args: a client whose base URL is Prometheus's."""
        self._client = client

    @classmethod
    def at(cls, url: str) -> "Prometheus":
        """The one at a URL."""
        return cls(httpx2.Client(base_url=url, timeout=_TIMEOUT_SECONDS))

    def observe(self, model: str, step: RolloutStep, age_seconds: float) -> Observed:
        """Both versions since the step began.

        Raises:
            UnobservedError: it does not answer, or no pod has told of the trial.
        """
        refused = _sum(self._ask(_REFUSED % (model, step.version)))
        if not refused and not self._ask(_HEARD % (model, step.version)):
            message = f"no pod tells of version {step.version}"
            raise UnobservedError(message)
        versions = f'model="{model}", version=~"{step.version}|{step.champion_version}"'
        seconds = max(1, math.ceil(age_seconds))
        told = {name: self._ask(query % (versions, seconds)) for name, query in _QUERIES.items()}
        return Observed(
            champion=_side(told, "champion"),
            challenger=_side(told, "shadow" if step.state == "shadow" else "canary"),
            refused=refused,
        )

    def _ask(self, query: str) -> list[_Sample]:
        try:
            response = self._client.get("/api/v1/query", params={"query": query})
            response.raise_for_status()
            return _Answer.model_validate_json(response.content).data.result
        except (httpx2.HTTPError, ValidationError) as error:
            message = f"Prometheus cannot be asked: {type(error).__name__}"
            raise UnobservedError(message) from error


def _side(told: Mapping[str, list[_Sample]], role: str) -> Side:
    mine = {name: [sample for sample in samples if sample.metric.get("role") == role] for name, samples in told.items()}
    requests: dict[str, float] = defaultdict(float)
    for sample in mine["requests"]:
        requests[sample.metric.get("outcome", "")] += _number(sample)
    return Side(requests["answered"], requests["failed"], _buckets(mine["seconds"]), _buckets(mine["outputs"]))


def _buckets(samples: list[_Sample]) -> Buckets:
    found = sorted((float(sample.metric["le"]), _number(sample)) for sample in samples)
    # Extrapolated bucket by bucket: a larger one may come out smaller by a rounding.
    counts, most = [], 0.0
    for _, count in found:
        most = max(most, count)
        counts.append(most)
    return Buckets(tuple(bound for bound, _ in found), tuple(counts))


def _sum(samples: list[_Sample]) -> float:
    return sum(map(_number, samples))


def _number(sample: _Sample) -> float:
    return 0.0 if math.isnan(sample.value[1]) else sample.value[1]
