"""The evaluation on a Dask cluster against that of one process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from distributed import LocalCluster
from drift.engine import ClusterUnavailableError
from tests.services.drift.replay import Replay, rows, shifted

pytestmark = pytest.mark.engine  # processes that load NannyML, seconds each
