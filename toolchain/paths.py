"""Where things lie on the machine: the cache, the state of clusters and stacks, the repository."""

import os
from pathlib import Path

import platformdirs

APP = "realtime-ml"
REPOSITORY = Path(__file__).resolve().parent.parent


def cache_dir() -> Path:
    """The folder of what can be had again: tools, packages, image layers. `REALTIME_ML_CACHE` moves it."""
    return _moved_by("REALTIME_ML_CACHE", platformdirs.user_cache_path(APP))


def state_dir() -> Path:
    """The folder of what cannot: clusters' data and logs, stacks' state. `REALTIME_ML_STATE` moves it."""
    return _moved_by("REALTIME_ML_STATE", platformdirs.user_state_path(APP))


def _moved_by(variable: str, default: Path) -> Path:
    return Path(os.environ[variable]).expanduser().resolve() if os.environ.get(variable) else default
