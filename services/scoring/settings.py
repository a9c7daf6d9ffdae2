"""The settings of scoring, beside those of the store."""

from typing import Annotated, Literal

from lifecycle.manifest import Sha256
from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from scoring.log.settings import LogSettings


class ScoringSettings(LogSettings):
    """Environment variables named SCORING_<SETTING>."""

    model_config = SettingsConfigDict(env_prefix="SCORING_", frozen=True)

    # Not SCORING_PORT: Kubernetes sets that one to tcp://... wherever a Service is named `scoring`.
    listen_host: str = Field(default="0.0.0.0", description="Address to listen on.")  # noqa: S104 - a pod listens to its network
    listen_port: int = Field(default=8000, ge=1, le=65535, description="Port to listen on.")
    drain_seconds: float = Field(
        default=8, ge=0, le=600, description="How long a pod that is told to stop goes on answering, as not ready."
    )
    keep_alive_seconds: int = Field(
        default=75, ge=1, le=3600, description="How long an idle connection is kept; above the client's own limit."
    )
    max_body_bytes: int = Field(default=2 * 1024 * 1024, ge=1024, le=2**30, description="Largest request body.")
    max_rows: int = Field(default=5000, ge=1, le=1_000_000, description="Most rows in one request.")
    body_timeout_seconds: float = Field(default=10, gt=0, le=600, description="Longest time a body may take to arrive.")
    inline_body_bytes: int = Field(
        default=48 * 1024,
        ge=0,
        le=2**30,
        description="Bodies up to this size, about 80 rows of 30 features or 1 ms, are scored on the event loop.",
    )
    batch_threads: int = Field(default=1, ge=1, le=64, description="Threads that score the larger bodies.")
    poll_seconds: float = Field(
        default=2, gt=0, le=3600, description="Between two looks at who is champion, and who is on trial."
    )
    batch_timeout_seconds: float = Field(
        default=10, gt=0, le=600, description="Longest time a larger body may wait for a thread and be scored."
    )
    max_in_flight: int = Field(
        default=128, ge=1, le=100_000, description="Most requests answered at once; more are told to come again (429)."
    )
    max_labels: int = Field(default=5000, ge=1, le=1_000_000, description="Most labels in one request.")
    api_keys_sha256: Annotated[tuple[Sha256, ...], NoDecode] = Field(
        default=(), description="SHA-256 of each valid API key in hex, with commas between; none lets everyone in."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least level logged."
    )

    @field_validator("api_keys_sha256", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return tuple(filter(None, map(str.strip, given.split(",")))) if isinstance(given, str) else given
