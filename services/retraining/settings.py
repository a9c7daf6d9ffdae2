"""The settings of retraining, beside those of the store."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AwareDatetime, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DeviceType: TypeAlias = Literal["cpu", "gpu", "cuda"]
Mode: TypeAlias = Literal["enforce", "dry_run"]
Rollout: TypeAlias = Literal["immediate", "shadow", "canary"]
Trigger: TypeAlias = Literal["alert", "person", "calendar"]
RunId: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]

_LAST_PORT: Final = 65_535
_ROOT: Final = Path(__file__).parents[2]
"""The repository, and /app in the image: both have services/ and models/ side by side."""


class RetrainingSettings(BaseSettings):
    """Environment variables named RETRAINING_<SETTING>."""

    model_config = SettingsConfigDict(env_prefix="RETRAINING_", frozen=True)

    num_threads: int = Field(default=2, ge=1, le=256, description="Threads for training; the CPU limit of the pod.")
    device_type: DeviceType = Field(
        default="cpu", description="What trains: cpu, gpu (OpenCL), cuda (where the image's LightGBM has it)."
    )
    engine: Literal["process", "dask"] = Field(
        default="process", description="Where challengers are trained: in this process, or by a Dask cluster's workers."
    )
    dask_scheduler: str | None = Field(
        default=None, pattern=r"^(tcp|tls)://\S+:\d+$", description="Of the cluster, tcp://host:port."
    )
    dask_workers: int = Field(
        default=1, ge=1, le=1000, description="Workers that are waited for; all that are there then train."
    )
    dask_ports: str | None = Field(
        default=None,
        pattern=r"^\d{1,5}-\d{1,5}$",
        description="Of which LightGBM listens to one on each worker, first-last; unset: any free port.",
    )
    mode: Mode = Field(default="enforce", description="dry_run: everything but the promotion.")
    rollout: Rollout = Field(
        default="immediate",
        description="What becomes of a challenger that passes: champion at once, or on trial beside it first.",
    )
    window_days: float = Field(
        default=30, gt=0, le=3660, description="The most days of labelled predictions that are looked at."
    )
    since: AwareDatetime | None = Field(
        default=None, description="Where the window begins, in place of window_days; refused where the log is younger."
    )
    settle_seconds: float = Field(
        default=60,
        ge=0,
        le=86_400,
        description="How long a run waits before it reads: what scoring holds back arrives meanwhile.",
    )
    run: RunId | None = Field(
        default=None, description="Which run this is; another attempt has the same. Unset: a new one each time."
    )
    job: str = Field(default="", max_length=253, description="The Kubernetes Job, for the list of runs.")
    trigger: Trigger = Field(default="person", description="What asked for the run.")
    models_folder: Path = Field(default=_ROOT / "models", description="The recipes, a folder for each model.")
    data_folder: Path = Field(default=_ROOT / "data", description="The reference data; the image build puts it there.")
    store_patience_seconds: float = Field(
        default=300, ge=0, le=3600, description="How long each call bears with a store that does not answer."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least level logged."
    )

    @property
    def training_ports(self) -> range:
        """Of which LightGBM listens to one on each worker; empty: any."""
        first, last = map(int, self.dask_ports.split("-")) if self.dask_ports else (0, -1)
        return range(first, last + 1)

    @field_validator("dask_ports")
    @classmethod
    def _in_order(cls, given: str | None) -> str | None:
        if given is not None:
            first, last = map(int, given.split("-"))
            if not 1 <= first <= last <= _LAST_PORT:
                message = f"must be two ports, the smaller one first, {given} is not"
                raise ValueError(message)
        return given

    @model_validator(mode="after")
    def _dask_fits(self) -> Self:
        if self.engine == "dask" and self.dask_scheduler is None:
            message = "RETRAINING_DASK_SCHEDULER is missing: RETRAINING_ENGINE=dask needs the scheduler's address"
            raise ValueError(message)
        if self.engine == "dask" and self.device_type != "cpu":
            message = f"RETRAINING_DEVICE_TYPE is {self.device_type}: workers of RETRAINING_ENGINE=dask train on CPUs"
            raise ValueError(message)
        return self
