"""The settings of the prediction log."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LogSettings(BaseSettings):
    """Environment variables named SCORING_LOG_<SETTING>; part of the settings of scoring."""

    model_config = SettingsConfigDict(env_prefix="SCORING_", frozen=True)

    log_mode: Literal["off", "async", "sync"] = Field(
        default="off", description="Keep predictions: not, behind the answer, or on disk before the answer."
    )
    log_folder: Path = Field(default=Path("/tmp/prediction-log"), description="Where the write-ahead files are.")  # noqa: S108 - a pod's own volume
    log_queue_records: int = Field(
        default=20_000, ge=1, le=10_000_000, description="Most rows that wait for the write-ahead file."
    )
    log_sample_rate: float = Field(default=1.0, ge=0, le=1, description="Share of the predictions that are kept.")
    log_flush_seconds: float = Field(
        default=30, gt=0, le=3600, description="Longest time from a prediction to its part in the object store."
    )
    log_part_rows: int = Field(default=20_000, ge=1, le=1_000_000, description="Rows after which a part is complete.")
    log_max_disk_mib: int = Field(default=512, ge=1, le=1_048_576, description="Most disk that the files may take.")
    log_close_seconds: float = Field(
        default=10, ge=0, le=600, description="How long a process that stops goes on handing parts to the store."
    )
