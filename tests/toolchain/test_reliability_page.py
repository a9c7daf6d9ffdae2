"""The page of what faults and time cost: a part without figures stays as it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from toolchain.reference import reliability

FAULTS: dict[str, Any] = {
    "at": "2026-01-31",
    "per_second": 50.0,
    "clients": 8,
    "tries": 4,
    "acknowledged": 7829,
    "lost": 0,
    "doubled": 0,
    "faults": [
        {
            "name": "a fault",
            "promise": "a promise",
            "requests": 1000,
            "failed_tries": 2,
            "failed_requests": 1,
            "slowest_seconds": 0.5,
            "steady_after_seconds": 3.2,
        }
    ],
}
SOAKED: dict[str, Any] = {
    "minutes": 60.0,
    "share": 0.5,
    "date": "2026-01-31 12:00 UTC",
    "machine": {"cores": 2},
    "capacity": {"held_per_second": 1000.0},
    "per_second": 500.0,
    "requests": 1_800_000,
    "failed": {},
    "logged": {"distinct": 1_800_000, "rows": 1_800_000},
    "p50_ms": 1.5,
    "p99_ms": 9.5,
    "within_objective": 0.9991,
    "slow_share": 0.002,
    "growth": [{"service": "scoring", "pods": 2, "memory_bytes": [2**28, 2**28], "handles": [90.0, 91.0]}],
}


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the figures are looked for."""
    monkeypatch.setattr(reliability, "FIGURES", tmp_path / "reliability.json")
    monkeypatch.setattr(reliability, "SOAK", tmp_path / "soak.json")
    return tmp_path


def test_each_part_is_renewed_by_itself(build: Path) -> None:
    """Whichever was measured first; what was written before is replaced, and the rest is left alone."""
    (build / "reliability.json").write_text(json.dumps(FAULTS), encoding="utf-8")
    faults = reliability.page("")
    assert "| a fault | a promise | 1,000 | 2 | 1 | 0.50 | 3 |" in faults
    (build / "soak.json").write_text(json.dumps([SOAKED]), encoding="utf-8")
    both = reliability.page(faults)
    assert both.startswith(faults)
    assert "| 60 min at 50%, 2026-01-31, 2 cores | 500 of 1,000 | 1,800,000 | 0 | 1,800,000 | 0 | 1.5 | 9.5 |" in both
    assert "| scoring | 2 | 256 to 256 | 90 to 91 |" in both
    assert reliability.page(both) == both
    (build / "reliability.json").unlink()
    assert reliability.page(both) == both
    (build / "soak.json").write_text(json.dumps([SOAKED | {"p99_ms": 8.5}]), encoding="utf-8")
    assert reliability.page(both) == both.replace("| 9.5 |", "| 8.5 |")
