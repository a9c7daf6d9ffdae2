"""What the labels of some chunks say, looked up in the log. Nothing is stored here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import pandas as pd  # type: ignore[import-untyped] # pandas ships no types
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.prediction_log import LABEL_COLUMNS, PredictionLog, prediction_columns, with_labels

from drift import chunks
from drift.findings import Chunk, Measure
from drift.frames import own, performance_columns
from drift.measurement import Measurement
from drift.outcome import Outcome

HOUR: Final = timedelta(hours=1)
_JUST_AFTER: Final = timedelta(microseconds=1)
_TWO_CLASSES: Final = 2


@dataclass(frozen=True, slots=True)
class Question:
    """Chunks that miss labels, and what is known of them."""

    chunks: Sequence[Chunk]
    """In order."""
    counted: Mapping[int, int]
    """Labels by chunk, when they were last looked at."""
    hours: Sequence[datetime]
    """That have labels."""
    marked: int
    """The chunks up to this one were looked at before: only new labels are of interest."""
    fresh: Any
    """The ids of new labels, a pyarrow array."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A chunk that has more labels than it had."""

    chunk: Chunk
    labels: int
    measures: Sequence[Measure]


@dataclass(frozen=True, slots=True)
class Answer:
    """What labels say."""

    found: Sequence[Labelled]
    outcome: Outcome


def answer(question: Question, measurement: Measurement, log: PredictionLog) -> Answer:
    """Looks the labels up and measures the chunks that they are of."""
    group, manifest = question.chunks, measurement.manifest
    outcome = Outcome()
    window = log.predictions(
        group[0].start, group[-1].end + _JUST_AFTER, ["version", "role", "output"], schema=prediction_columns(manifest)
    )
    outcome.saw(window)
    rows = own(window.table, manifest)
    parts = {chunk: chunks.within(rows, chunk) for chunk in group}
    touched = {
        chunk: part
        for chunk, part in parts.items()
        if chunk.index > question.marked or pc.any(pc.is_in(part["prediction_id"], question.fresh)).as_py()
    }
    if not touched:
        return Answer([], outcome)
    ids = pa.concat_arrays([part["prediction_id"].combine_chunks() for part in touched.values()])
    labels = _labels(log, question.hours, ids, outcome)
    found: list[Labelled] = []
    for chunk, unlabelled in touched.items():
        part = with_labels(unlabelled, labels)
        count = part.num_rows - part["label"].null_count
        outcome.late_rows += max(0, part.num_rows - chunk.rows)
        if count > question.counted.get(chunk.index, 0):
            found.append(Labelled(chunk, count, _measured(part, count, measurement, outcome)))
    return Answer(found, outcome)


def _measured(part: Any, count: int, measurement: Measurement, outcome: Outcome) -> list[Measure]:  # noqa: ANN401 - a pyarrow table
    if not measurement.measures_performance or count < measurement.settings.labelled_share * part.num_rows:
        return []
    rows = pd.DataFrame(performance_columns(part, measurement.manifest))
    if measurement.manifest.objective != "regression" and rows["label"].nunique() < _TWO_CLASSES:
        outcome.conditions.add("one_class")
    return measurement.realized(rows, [len(rows)])


def _labels(log: PredictionLog, hours: Sequence[datetime], ids: Any, outcome: Outcome) -> Any:  # noqa: ANN401 - a pyarrow array and table
    """The first label of each of these ids."""
    found = [LABEL_COLUMNS.empty_table()]
    for hour in hours:
        window = log.labels(hour, hour + HOUR)
        outcome.saw(window)
        found.append(window.table.filter(pc.is_in(window.table["prediction_id"], ids)))
    first = pa.concat_tables(found).to_pandas().drop_duplicates("prediction_id")
    return pa.Table.from_pandas(first, LABEL_COLUMNS, preserve_index=False)
