"""What becomes of a challenger that passed its gates."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from infra.section import Section

Percent = Annotated[int, Field(ge=1, le=100)]


def _growing(percents: tuple[int, ...]) -> tuple[int, ...]:
    if not percents or list(percents) != sorted(set(percents)):
        message = "must be one percentage or more, each larger than the one before"
        raise ValueError(message)
    return percents


class RolloutConfig(Section):
    """What becomes of a challenger that passed its gates, and what it must keep to until it is champion."""

    mode: Annotated[
        Literal["immediate", "shadow", "canary"],
        Field(
            description="champion at once; or first scoring beside the champion without answering; or first answering "
            "a share of the requests that grows in steps. What breaks a bound is taken back by itself"
        ),
    ] = "immediate"
    canary_percents: Annotated[
        tuple[Percent, ...],
        AfterValidator(_growing),
        Field(description="of the requests that a canary answers, step by step; after the last it is champion"),
    ] = (5, 25, 50)
    shadow_percent: Annotated[
        int, Field(ge=1, le=100, description="of the requests that a shadow scores too, 1 to 100")
    ] = 100
    step_minutes: Annotated[int, Field(ge=1, le=10_080, description="the least time of a step")] = 15
    step_rows: Annotated[
        int, Field(ge=1, le=10_000_000, description="rows that a challenger must have scored before a step ends")
    ] = 500
    stalled_hours: Annotated[
        int, Field(ge=1, le=720, description="a step that has not ended after so long is taken back")
    ] = 24
    error_rate_limit: Annotated[
        float, Field(ge=0, lt=1, description="share of its requests that it may fail where the champion does not")
    ] = 0.01
    latency_ratio_limit: Annotated[
        float, Field(ge=1, le=1000, description="times the champion's 95th percentile that its own may be")
    ] = 2.0
    latency_floor_milliseconds: Annotated[
        float, Field(gt=0, le=60_000, description="a 95th percentile up to this is never too long")
    ] = 1.0
    drift_limit: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="largest distance between the cumulative distributions of its predictions and the champion's",
        ),
    ] = 0.25

    @property
    def is_gradual(self) -> bool:
        """Whether a challenger is on trial before it is champion."""
        return self.mode != "immediate"
