"""A part of the log that is measured at a time: chunks one after another, and what came of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lifecycle.manifest import Manifest

from drift.findings import Chunk, Measure
from drift.frames import frame
from drift.outcome import Outcome

Frame = Any
"""A pandas DataFrame."""


@dataclass(frozen=True, slots=True)
class Partition:
    """Chunks that follow each other, and the rows of those that have enough to be measured."""

    chunks: Sequence[Chunk]
    measured: Sequence[Chunk]
    rows: Frame

    @classmethod
    def of(cls, chunks: Sequence[Chunk], table: Any, manifest: Manifest, least_rows: int) -> "Partition":  # noqa: ANN401 - a pyarrow table
        """Of a table that holds the rows of these chunks and no others, in order."""
        rows = frame(table, manifest)
        keep = [chunk.rows >= least_rows for chunk in chunks for _ in range(chunk.rows)]
        measured = [chunk for chunk in chunks if chunk.rows >= least_rows]
        return cls(chunks, measured, rows if all(keep) else rows[keep])

    @property
    def sizes(self) -> list[int]:
        """Rows of each chunk that is measured."""
        return [chunk.rows for chunk in self.measured]

    @property
    def newest(self) -> Frame:
        """The rows of the newest chunk that is measured; of no chunk no rows."""
        return self.rows.iloc[len(self.rows) - sum(self.sizes[-1:]) :]

    def of_column(self, name: str) -> "Partition":
        """With one column alone: what has to travel to where the column is measured."""
        return replace(self, rows=self.rows[[name]])

    def without_rows(self) -> "Partition":
        """The chunks alone."""
        return replace(self, rows=self.rows.iloc[:0])


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a partition."""

    chunks: Sequence[Chunk]
    """First those that were measured."""
    measures: Sequence[Measure]
    distributions: Any
    """Of the newest chunk that was measured, a pyarrow table; None where none was."""
    outcome: Outcome

    @classmethod
    def of(cls, partition: Partition, measures: Sequence[Measure], distributions: Any, outcome: Outcome) -> "Measured":  # noqa: ANN401 - a pyarrow table
        """Notes what is to be said of the partition as a whole."""
        small = [chunk for chunk in partition.chunks if chunk not in partition.measured]
        if small:
            outcome.conditions.add("too_few_rows")
        outcome.rows += sum(partition.sizes)
        return cls([*partition.measured, *small], measures, distributions, outcome)
