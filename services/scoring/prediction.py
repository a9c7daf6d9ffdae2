"""Prediction as the service sees it: a body in, an answer out. Knows nothing of HTTP."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from lifecycle.prediction_log import Role

from scoring.champion import ServedModel
from scoring.errors import RequestError
from scoring.identifiers import new_id, prediction_ids
from scoring.rows import Rows

if TYPE_CHECKING:
    from scoring.trial import Trial


class Scored(msgspec.Struct, gc=False):
    """Rows, and what the model answered.

    Attributes:
        model: which one.
        rows: the rows.
        ids: one for each row.
        outputs: as many for each row as the model has.
        body: the answer.
        predictor_seconds: how long the model took.
        role: in which the model answered.
        seconds: from the body to the answer; measured only while a challenger is on trial.
        trial: what a challenger has to do with the request, where one is on trial.
    """

    model: ServedModel
    rows: Rows
    ids: list[str]
    outputs: list[float]
    body: bytes
    predictor_seconds: float
    role: Role = "champion"
    seconds: float = 0.0
    trial: "Trial | None" = None


def score(model: ServedModel, rows: Rows, *, on_loop: bool) -> tuple[list[float], float]:
    """The outputs for rows, and the seconds that the model took.

    Args:
        model: what scores.
        rows: what is scored.
        on_loop: whether this is the thread that scores single rows.
    """
    started = time.perf_counter()
    if rows.count == 1 and on_loop:
        outputs = model.predictor.predict_row(rows.vectors)
    else:
        outputs = model.predictor.predict_rows(rows.vectors, rows.count)
    return outputs, time.perf_counter() - started


def predict(model: ServedModel, body: bytes, max_rows: int, request_id: str = "", *, on_loop: bool = True) -> Scored:
    """Scores the rows of the body of a predict request.

    Args:
        model: what scores.
        body: JSON.
        max_rows: how many rows it may have.
        request_id: what the ids begin with; a new one by default.
        on_loop: as in `score`.

    Raises:
        RequestError: the body is not rows of this model.
    """
    rows = model.reader.read(body, max_rows)
    outputs, seconds = score(model, rows, on_loop=on_loop)
    ids = prediction_ids(request_id or new_id(), rows.count)
    contributions = model.predictor.contributions(rows.vectors, rows.count) if rows.contributions else None
    return Scored(model, rows, ids, outputs, model.writer.write(ids, outputs, contributions, rows.unusual), seconds)


def rank(model: ServedModel, body: bytes, max_rows: int, request_id: str = "", *, on_loop: bool = True) -> Scored:
    """Scores the candidates of the body of a rank request, all of them, and answers the best.

    Args:
        model: what scores.
        body: JSON.
        max_rows: how many candidates it may have.
        request_id: what the ids begin with; a new one by default.
        on_loop: as in `score`.

    Raises:
        RequestError: the body is not candidates of this model, or the model has no one score.
    """
    if model.manifest.outputs > 1:
        raise RequestError(422, "no_score", "A model of several classes has no one score to rank by.")
    rows = model.reader.read_candidates(body, max_rows)
    outputs, seconds = score(model, rows, on_loop=on_loop)
    ids = prediction_ids(request_id or new_id(), rows.count)
    places = best(outputs, rows.best)
    return Scored(model, rows, ids, outputs, model.writer.write_ranking(ids, outputs, places, rows.unusual), seconds)


def best(outputs: Sequence[float], count: int) -> list[int]:
    """The places of the highest outputs, the highest first; of equal ones the earlier, and what is no number last."""
    return sorted(range(len(outputs)), key=lambda place: _descending(outputs[place]))[:count]


def _descending(output: float) -> tuple[bool, float]:
    return output != output, -output  # noqa: PLR0124 - true of NaN alone
