"""How a challenger is rolled out, and what it must keep to meanwhile."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Share = Annotated[float, Field(gt=0, le=1)]


class RolloutSettings(BaseSettings):
    """Environment variables named ROLLOUT_<SETTING>."""

    model_config = SettingsConfigDict(env_prefix="ROLLOUT_", frozen=True)

    prometheus_url: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="Where what scoring tells of a trial is read. Unset: no rollout is moved here.",
    )
    look_seconds: float = Field(default=15, gt=0, le=600, description="Between two looks at the rollouts.")
    canary_shares: Annotated[tuple[Share, ...], NoDecode] = Field(
        default=(0.05, 0.25, 0.5),
        min_length=1,
        description="The shares of the requests that a canary is given, one after the other, with commas between.",
    )
    shadow_share: Share = Field(default=1.0, description="The share of the requests that a shadow scores too.")
    step_seconds: float = Field(default=900, ge=0, le=604_800, description="The least time of a step.")
    step_rows: int = Field(
        default=500, ge=1, le=10_000_000, description="Rows that the challenger must have scored before a step ends."
    )
    stalled_seconds: float = Field(
        default=86_400, gt=0, le=2_592_000, description="A step that has not ended after so long is taken back."
    )
    unobserved_seconds: float = Field(
        default=600, gt=0, le=86_400, description="A challenger that nobody could watch for so long is taken back."
    )
    error_rate_limit: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="Share of its requests that the challenger may fail where the champion can.",
    )
    latency_ratio_limit: float = Field(
        default=2.0, ge=1, le=1000, description="Times the champion's 95th percentile that the challenger's may be."
    )
    latency_floor_seconds: float = Field(
        default=0.001, gt=0, le=60, description="A 95th percentile up to this is never too long."
    )
    drift_limit: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="Largest distance between the cumulative distributions of both versions' predictions.",
    )

    @field_validator("canary_shares", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return tuple(filter(None, map(str.strip, given.split(",")))) if isinstance(given, str) else given

    @field_validator("canary_shares")
    @classmethod
    def _grow(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if list(shares) != sorted(set(shares)):
            message = f"must grow from step to step, {', '.join(map(str, shares))} does not"
            raise ValueError(message)
        return shares
