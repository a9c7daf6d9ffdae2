"""What the labels of some chunks say, looked up in the log. Nothing is stored here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # pandas ships no types
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.prediction_log import PredictionLog, prediction_columns

from drift import chunks
from drift.findings import Chunk, Measure
from drift.frames import own, performance_columns
from drift.measurement import Measurement
from drift.outcome import Outcome

HOUR: Final = timedelta(hours=1)
_JUST_AFTER: Final = timedelta(microseconds=1)
_TWO_CLASSES: Final = 2
_LABELS_AT_ONCE: Final = 1_000_000
"""About 50 MiB."""


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
    rows = own(window.table, manifest).combine_chunks()
    rows = rows.append_column("fresh", pc.is_in(rows["prediction_id"], question.fresh))
    parts = {chunk: chunks.within(rows, chunk) for chunk in group}
    touched = {
        chunk: part for chunk, part in parts.items() if chunk.index > question.marked or pc.any(part["fresh"]).as_py()
    }
    if not touched:
        return Answer([], outcome)
    table = pa.concat_tables(touched.values())
    table = table.append_column("label", _labels(log, question.hours, table["prediction_id"], outcome))
    more: list[tuple[Chunk, int, Any]] = []
    first = 0
    for chunk, rows_of_chunk in touched.items():
        part = table.slice(first, rows_of_chunk.num_rows)
        first += part.num_rows
        count = part.num_rows - part["label"].null_count
        outcome.late_rows += max(0, part.num_rows - chunk.rows)
        if count > question.counted.get(chunk.index, 0):
            more.append((chunk, count, part))
    return Answer(_measured(more, measurement, outcome), outcome)


def _measured(more: Sequence[tuple[Chunk, int, Any]], measurement: Measurement, outcome: Outcome) -> list[Labelled]:
    """Chunks with the number of their labels and their rows; those with too few labels are only counted."""
    enough = [
        (chunk, pd.DataFrame(performance_columns(part, measurement.manifest)))
        for chunk, count, part in more
        if measurement.measures_performance and count >= measurement.settings.labelled_share * part.num_rows
    ]
    if measurement.manifest.classes and any(rows["label"].nunique() < _TWO_CLASSES for _, rows in enough):
        outcome.conditions.add("one_class")
    found = _realized(measurement, [rows for _, rows in enough])
    by_chunk = dict(zip((chunk.index for chunk, _ in enough), found, strict=True))
    return [Labelled(chunk, count, by_chunk.get(chunk.index, [])) for chunk, count, _ in more]


def _realized(measurement: Measurement, parts: Sequence[Any]) -> list[list[Measure]]:
    """The measures of each of these frames."""
    if not parts:
        return []
    # At once, which takes a quarter of the time that one after another take; unless that fails because of one of them.
    together = measurement.realized(pd.concat(parts, ignore_index=True), [len(part) for part in parts])
    if not together and len(parts) > 1:
        return [measures for part in parts for measures in _realized(measurement, [part])]
    found: list[list[Measure]] = [[] for _ in parts]
    for measure in together:
        found[measure.position].append(replace(measure, position=0))
    return found


def _labels(log: PredictionLog, hours: Sequence[datetime], ids: Any, outcome: Outcome) -> Any:  # noqa: ANN401 - pyarrow arrays
    """The first label of each of these ids; null where there is none."""
    found, known = np.zeros(len(ids)), np.zeros(len(ids), bool)
    for labels in _several_hours(log, hours, outcome):
        places = pc.index_in(labels["prediction_id"], value_set=ids)
        ours = pc.is_valid(places)
        rows, values = places.filter(ours).to_numpy(), labels["label"].filter(ours).to_numpy()
        fresh = ~known[rows]
        # Backwards: of several labels of a row the one that is written last stays.
        rows, values = rows[fresh][::-1], values[fresh][::-1]
        found[rows] = values
        known[rows] = True
    return pa.array(found, mask=~known)


def _several_hours(log: PredictionLog, hours: Sequence[datetime], outcome: Outcome) -> Iterator[Any]:
    """Tables of the labels of these hours, in order; few, because the ids are indexed anew for each."""
    tables: list[Any] = []
    for hour in hours:
        window = log.labels(hour, hour + HOUR)
        outcome.saw(window)
        tables.append(window.table.select(["prediction_id", "label"]).filter(pc.is_valid(window.table["label"])))
        if sum(table.num_rows for table in tables) >= _LABELS_AT_ONCE:
            yield pa.concat_tables(tables, promote_options="permissive")
            tables = []
    if tables:
        yield pa.concat_tables(tables, promote_options="permissive")
