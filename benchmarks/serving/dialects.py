"""How rows are asked for and answers read, over HTTP, from each contestant."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Dialect:
    """A path, a body and an answer.

    Attributes:
        path: where a request goes.
        encode: makes the body from the feature names and the rows.
        decode: reads the probabilities out of an answer.
    """

    path: str
    encode: Callable[[Sequence[str], Rows], bytes]
    decode: Callable[[bytes], list[float]]


def _named_rows(names: Sequence[str], rows: Rows) -> bytes:
    return _json({"rows": [dict(zip(names, row, strict=True)) for row in rows]})


def _tensor(names: Sequence[str], rows: Rows) -> bytes:
    data = [value for row in rows for value in row]
    return _json({"inputs": [{"name": "features", "shape": [len(rows), len(names)], "datatype": "FP64", "data": data}]})


def _predictions(answer: bytes) -> list[float]:
    document = json.loads(answer)
    if "predictions" in document:
        return [prediction["probability"] for prediction in document["predictions"]]
    probabilities: list[float] = document["probabilities"]
    return probabilities


def _outputs(answer: bytes) -> list[float]:
    data: list[float] = json.loads(answer)["outputs"][0]["data"]
    return data


def _json(document: Any) -> bytes:  # noqa: ANN401 - JSON
    return json.dumps(document, separators=(",", ":")).encode()


ROWS_DIALECT: Final = Dialect("/v1/predict", _named_rows, _predictions)
V2_DIALECT: Final = Dialect("/v2/models/bench/infer", _tensor, _outputs)
