"""What an evaluation did and found to be so."""

import math
from dataclasses import dataclass, field

import structlog
from lifecycle.prediction_log import Window

from drift.findings import Cause, Condition


@dataclass(slots=True)
class Outcome:
    """Of one evaluation of one model."""

    version: int | None = None
    rows: int = 0
    """Evaluated for the first time."""
    conditions: set[Condition] = field(default_factory=set)
    failures: dict[Cause, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Calculations that failed, and the kind of error."""
    broken: dict[str, str] = field(default_factory=dict)
    """Parts that were left aside, and why."""
    foreign: dict[str, str] = field(default_factory=dict)
    """Columns that some parts lack or have as another type, and what was found."""
    targets_missing: float = math.nan
    """Share of the evaluated rows, within the horizon, without a label."""
    late_rows: int = 0
    """Rows that were stored after their chunk was closed: they count in realized performance alone."""

    def add(self, other: "Outcome") -> None:
        """Takes what came of a part of the evaluation that was done elsewhere."""
        self.rows += other.rows
        self.late_rows += other.late_rows
        self.conditions |= other.conditions
        self.failed |= other.failed
        self.broken |= other.broken
        self.foreign |= other.foreign

    def saw(self, window: Window) -> None:
        """Notes what was wrong with a window."""
        for part in window.broken:
            if part.key not in self.broken:
                structlog.stdlib.get_logger().warning("part_left_aside", key=part.key, reason=part.reason)
            self.broken[part.key] = part.reason
            self.conditions.add("broken_parts")
        self.foreign.update(window.foreign)
