"""A folder for a model and its traffic."""

from pathlib import Path

import pytest
from tests.services.drift.replay import Replay


@pytest.fixture
def replay(tmp_path: Path) -> Replay:
    """Nothing in it yet."""
    return Replay(tmp_path / "store")
