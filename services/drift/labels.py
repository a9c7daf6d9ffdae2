"""Realized performance: of every chunk whose labels are more than they were."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import pandas as pd  # type: ignore[import-untyped] # pandas ships no types
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.manifest import Manifest
from lifecycle.prediction_log import LABEL_COLUMNS, PredictionLog, prediction_columns, with_labels

from drift import chunks
from drift.findings import Chunk, Measure, to_table
from drift.frames import own, performance_columns
from drift.measurement import Measurement
from drift.outcome import Outcome
from drift.results import LabelMark, Results
from drift.settings import DriftSettings

_HOUR: Final = timedelta(hours=1)
_JUST_AFTER: Final = timedelta(microseconds=1)
_ROWS_AT_ONCE: Final = 1_000_000
"""Predictions whose labels are looked up in one walk through the labels: about 100 MiB."""
_TWO_CLASSES: Final = 2


@dataclass(slots=True)
class LateLabels:
    """Looks at the chunks of the horizon that miss labels, and only where labels came since the last look."""

    settings: DriftSettings
    manifest: Manifest
    measurement: Measurement
    log: PredictionLog
    results: Results
    outcome: Outcome

    def evaluate(self, now: datetime) -> None:
        """Measures and stores what is new, and tells how many labels are missing."""
        known = self.results.chunks_after(now - timedelta(days=self.settings.label_horizon_days))
        if not known:
            return
        counted = self.results.labels()
        waiting = [chunk for chunk in known if counted.get(chunk.index, 0) < chunk.rows]
        parts, mark = self.log.label_parts(), self.results.label_mark()
        fresh = pa.array([], pa.string())
        newest = max((written for _, written in parts), default=None)
        if mark is not None and (newest, len(parts)) != (mark.written, mark.parts):
            # At the very moment of the mark there may have been more.
            fresh = self._ids(sorted({hour for hour, written in parts if written >= mark.written}))
        if newest is not None:
            marked = -1 if mark is None else mark.chunk
            every_hour = sorted({hour for hour, _ in parts})
            for group in _groups(waiting):
                if len(fresh) or group[-1].index > marked:
                    counted |= self._group(group, counted, every_hour, marked, fresh)
            self.results.mark_labels(LabelMark(written=newest, parts=len(parts), chunk=known[-1].index))
        total = sum(chunk.rows for chunk in known)
        missing = sum(max(0, chunk.rows - counted.get(chunk.index, 0)) for chunk in known)
        self.outcome.targets_missing = missing / total
        if missing == total:
            self.outcome.conditions.add("no_labels")

    def _group(
        self,
        group: list[Chunk],
        counted: dict[int, int],
        label_hours: list[datetime],
        marked: int,
        fresh: Any,  # noqa: ANN401 - a pyarrow array
    ) -> dict[int, int]:
        window = self.log.predictions(
            group[0].start, group[-1].end + _JUST_AFTER, ["version", "role", "output"],
            schema=prediction_columns(self.manifest),
        )  # fmt: skip
        self.outcome.saw(window)
        rows = own(window.table, self.manifest)
        parts = {chunk: chunks.within(rows, chunk) for chunk in group}
        touched = {
            chunk: part
            for chunk, part in parts.items()
            if chunk.index > marked or pc.any(pc.is_in(part["prediction_id"], fresh)).as_py()
        }
        if not touched:
            return {}
        ids = pa.concat_arrays([part["prediction_id"].combine_chunks() for part in touched.values()])
        labels = self._labels([hour for hour in label_hours if hour + _HOUR > group[0].start], ids)
        found: dict[int, int] = {}
        for chunk, unlabelled in touched.items():
            part = with_labels(unlabelled, labels)
            count = part.num_rows - part["label"].null_count
            self.outcome.late_rows += max(0, part.num_rows - chunk.rows)
            if count > counted.get(chunk.index, 0):
                self.results.add_realized(to_table([chunk], self._measured(part, count)), chunk.index, count)
                found[chunk.index] = count
        return found

    def _measured(self, part: Any, count: int) -> list[Measure]:  # noqa: ANN401 - a pyarrow table
        if not self.measurement.measures_performance or count < self.settings.labelled_share * part.num_rows:
            return []
        rows = pd.DataFrame(performance_columns(part, self.manifest))
        if self.manifest.classes and rows["label"].nunique() < _TWO_CLASSES:
            self.outcome.conditions.add("one_class")
        return self.measurement.realized(rows, [len(rows)])

    def _ids(self, label_hours: list[datetime]) -> Any:  # noqa: ANN401 - a pyarrow array
        found = [self.log.labels(hour, hour + _HOUR).table["prediction_id"].combine_chunks() for hour in label_hours]
        return pa.concat_arrays([pa.array([], pa.string()), *found])

    def _labels(self, label_hours: list[datetime], ids: Any) -> Any:  # noqa: ANN401 - a pyarrow array and table
        """The first label of each of these ids."""
        found = [LABEL_COLUMNS.empty_table()]
        for hour in label_hours:
            window = self.log.labels(hour, hour + _HOUR)
            self.outcome.saw(window)
            found.append(window.table.filter(pc.is_in(window.table["prediction_id"], ids)))
        first = pa.concat_tables(found).to_pandas().drop_duplicates("prediction_id")
        return pa.Table.from_pandas(first, LABEL_COLUMNS, preserve_index=False)


def _groups(waiting: list[Chunk]) -> Iterator[list[Chunk]]:
    group: list[Chunk] = []
    for chunk in waiting:
        if group and sum(one.rows for one in group) + chunk.rows > _ROWS_AT_ONCE:
            yield group
            group = []
        group.append(chunk)
    if group:
        yield group
