"""The settings of the receiver, beside those of the models' store."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class ReceiverSettings(BaseSettings):
    """Environment variables named RECEIVER_<SETTING>."""

    model_config = SettingsConfigDict(env_prefix="RECEIVER_", frozen=True)

    alerts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("FeatureDriftDetected", "EstimatedPerformanceLow", "RealizedPerformanceLow"),
        description="The alerts that ask for a retraining, with commas between; others are ignored.",
    )
    cool_down_seconds: float = Field(
        default=6 * 3600, ge=0, description="After a run has ended, alerts and the calendar start none for so long."
    )
    namespace: str = Field(default="ml", min_length=1, description="Where the Jobs and their templates are.")
    token_file: Path = Field(description="Holds what callers have to show; read anew for each of them.")
    refresh_seconds: float = Field(
        default=15, gt=0, le=3600, description="Between two looks at Jobs, outcomes and champions, for the metrics."
    )
    listen_host: str = Field(default="0.0.0.0", description="Address to listen on.")  # noqa: S104 - a pod listens to its network
    listen_port: int = Field(default=8000, ge=1, le=65535, description="Port to listen on.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least level logged."
    )

    @field_validator("alerts", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return tuple(filter(None, map(str.strip, given.split(",")))) if isinstance(given, str) else given
