"""The settings of retraining, beside those of the store."""

from pathlib import Path
from typing import Final, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_ROOT: Final = Path(__file__).parents[2]
"""The repository, and /app in the image: both have services/ and models/ side by side."""


class RetrainingSettings(BaseSettings):
    """Environment variables named RETRAINING_<SETTING>."""

    model_config = SettingsConfigDict(env_prefix="RETRAINING_", frozen=True)

    num_threads: int = Field(default=2, ge=1, le=256, description="Threads for training; the CPU limit of the pod.")
    models_folder: Path = Field(default=_ROOT / "models", description="The recipes, a folder for each model.")
    data_folder: Path = Field(default=_ROOT / "data", description="The reference data; the image build puts it there.")
    store_patience_seconds: float = Field(
        default=300, ge=0, le=3600, description="How long each call bears with a store that does not answer."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The least level logged."
    )
