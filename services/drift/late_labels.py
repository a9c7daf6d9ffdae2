"""Realized performance: of every chunk whose labels are more than they were."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.prediction_log import PredictionLog

from drift.engine import Awaited, Engine
from drift.findings import Chunk, to_table
from drift.labels import HOUR, Answer, Question
from drift.outcome import Outcome
from drift.results import LabelMark, Results

_ROWS_AT_ONCE: Final = 1_000_000
"""Predictions whose labels are looked up in one walk through the labels: about 100 MiB."""


@dataclass(slots=True)
class LateLabels:
    """Looks at the chunks of the horizon that miss labels, and only where labels came since the last look."""

    horizon: timedelta
    engine: Engine
    log: PredictionLog
    results: Results
    outcome: Outcome

    def evaluate(self, now: datetime) -> None:
        """Measures and stores what is new, and tells how many labels are missing."""
        known = self.results.chunks_after(now - self.horizon)
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
            questions = [
                Question(group, counted, [hour for hour in every_hour if hour + HOUR > group[0].start], marked, fresh)
                for group in _groups(waiting)
                if len(fresh) or group[-1].index > marked
            ]
            counted |= self._answered(questions)
            self.results.mark_labels(LabelMark(written=newest, parts=len(parts), chunk=known[-1].index))
        total = sum(chunk.rows for chunk in known)
        missing = sum(max(0, chunk.rows - counted.get(chunk.index, 0)) for chunk in known)
        self.outcome.targets_missing = missing / total
        if missing == total:
            self.outcome.conditions.add("no_labels")

    def _answered(self, questions: list[Question]) -> dict[int, int]:
        """How many labels the chunks have that have more than they had."""
        found: dict[int, int] = {}
        asked = deque[Awaited[Answer]]()
        for question in questions:
            asked.append(self.engine.answer(question))
            while len(asked) > self.engine.ahead:
                found |= self._stored(asked.popleft()())
        while asked:
            found |= self._stored(asked.popleft()())
        return found

    def _stored(self, answer: Answer) -> dict[int, int]:
        self.outcome.add(answer.outcome)
        for one in answer.found:
            self.results.add_realized(to_table([one.chunk], one.measures), one.chunk.index, one.labels)
        return {one.chunk.index: one.labels for one in answer.found}

    def _ids(self, label_hours: list[datetime]) -> Any:  # noqa: ANN401 - a pyarrow array
        found = [self.log.labels(hour, hour + HOUR).table["prediction_id"].combine_chunks() for hour in label_hours]
        return pa.concat_arrays([pa.array([], pa.string()), *found])


def _groups(waiting: list[Chunk]) -> Iterator[list[Chunk]]:
    group: list[Chunk] = []
    for chunk in waiting:
        if group and sum(one.rows for one in group) + chunk.rows > _ROWS_AT_ONCE:
            yield group
            group = []
        group.append(chunk)
    if group:
        yield group
