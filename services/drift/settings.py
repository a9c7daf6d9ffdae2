"""The settings of drift, beside those of the stores."""

from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from lifecycle.manifest import ModelName
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ContinuousMethod: TypeAlias = Literal["jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger"]
CategoricalMethod: TypeAlias = Literal["jensen_shannon", "chi2", "l_infinity", "hellinger"]


class Bounds(BaseModel):
    """A value below `lower` or above `upper` is an alert; without a number it is none on that side."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lower: float | None = None
    upper: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            message = f"lower, {self.lower}, must not be above upper, {self.upper}"
            raise ValueError(message)
        return self


class DriftSettings(BaseSettings):
    """Environment variables named DRIFT_<SETTING>."""

    model_config = SettingsConfigDict(env_prefix="DRIFT_", frozen=True)

    listen_host: str = Field(default="0.0.0.0", description="Address to listen on.")  # noqa: S104 - a pod listens to its network
    listen_port: int = Field(default=8000, ge=1, le=65535, description="Port to listen on.")
    models: Annotated[tuple[ModelName, ...], Field(min_length=1)] = Field(
        description='The models to watch, a JSON list: ["car-loan"].'
    )
    interval_seconds: float = Field(default=300, ge=1, le=86_400, description="From one evaluation to the next.")
    timeout_seconds: float = Field(
        default=1800, ge=1, le=86_400, description="After so long an evaluation is killed; the next goes on from there."
    )
    chunk_rows: int = Field(
        default=5000,
        ge=100,
        le=1_000_000,
        description="Predictions in a chunk; a tenth of the reference where that is less, so that thresholds have ten "
        "chunks to come from.",
    )
    chunk_hours: int | None = Field(
        default=None, ge=1, le=8760, description="Chunks of so many hours instead, whatever their number of rows."
    )
    least_rows: int = Field(
        default=100, ge=2, le=1_000_000, description="A chunk of hours with fewer rows is stored and not measured."
    )
    chunks_at_once: int = Field(default=50, ge=1, le=1000, description="Closed chunks evaluated, and held, at a time.")
    grace_seconds: float = Field(
        default=120, ge=0, le=86_400, description="How late a part may be stored; a chunk is not closed before."
    )
    label_horizon_days: int = Field(default=30, ge=1, le=3650, description="How long labels are waited for.")
    labelled_share: float = Field(
        default=0.1, gt=0, le=1, description="Share of a chunk that has labels before its performance is computed."
    )
    continuous_method: ContinuousMethod = Field(default="jensen_shannon", description="Univariate drift of numbers.")
    categorical_method: CategoricalMethod = Field(
        default="jensen_shannon", description="Univariate drift of categories."
    )
    column_methods: dict[str, ContinuousMethod | CategoricalMethod] = Field(
        default={}, description='Another method for a column, JSON: {"age": "wasserstein"}; the output is `output`.'
    )
    domain_classifier: bool = Field(
        default=False, description="Whether a classifier that tells traffic from reference is trained for each chunk."
    )
    thresholds: dict[str, Bounds] = Field(
        default={},
        description='Constant thresholds by method or metric, JSON: {"roc_auc": {"lower": 0.9}}; others come from the '
        "reference.",
    )
    engine: Literal["process", "dask"] = Field(
        default="process", description="Where calculations run: in the evaluation's own process, or on a Dask cluster."
    )
    dask_scheduler: str | None = Field(
        default=None, pattern=r"^(tcp|tls)://\S+:\d+$", description="Of the cluster, tcp://host:port."
    )
    store_patience_seconds: float = Field(default=60, ge=0, le=3600, description="How long a store call is retried.")
    token_file: Path | None = Field(
        default=None, description="Holds what has to be shown to have a model evaluated now; unset: nothing has to."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least level logged."
    )

    @model_validator(mode="after")
    def _dask_has_a_scheduler(self) -> Self:
        if self.engine == "dask" and self.dask_scheduler is None:
            message = "DRIFT_DASK_SCHEDULER is missing: DRIFT_ENGINE=dask needs the scheduler's address"
            raise ValueError(message)
        return self
