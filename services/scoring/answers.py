"""The fast way from the model's outputs to the bytes of an answer.

What is the same in every answer of a model is written once, at load; a row costs 0.3 us. The types in `scoring.wire`
say what comes out, and the tests hold the two together.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from lifecycle.manifest import Manifest

from scoring.wire import Contribution, encode_json


class AnswerWriter:
    """Writes the answers of one model version."""

    def __init__(self, manifest: Manifest) -> None:
        """Args: the manifest of the version."""
        self._outputs: Final = manifest.outputs
        self._classes: Final = manifest.classes
        self._names: Final = manifest.feature_schema.names
        reference = encode_json({"name": manifest.model, "version": manifest.version}).decode()
        self._head: Final = f'{{"model":{reference},"predictions":['
        self._row: Final = _ROWS[manifest.objective](manifest)

    def write(self, ids: Sequence[str], outputs: list[float], contributions: npt.NDArray[np.float64] | None) -> bytes:
        """The body of an answer.

        Args:
            ids: one for each row.
            outputs: as many for each row as the model has.
            contributions: rows x outputs x (features + 1), where the client wants them.
        """
        # msgspec writes a float in a fifth of the time of repr(), and null for what JSON may not have.
        row, written = self._row, encode_json(outputs)[1:-1].decode()
        if len(outputs) == 1 and contributions is None:
            return f"{self._head}{row(ids[0], outputs[0], written)}]}}".encode()
        texts = written.split(",")
        if self._outputs == 1:
            predictions = map(row, ids, outputs, texts)
        else:
            # As many references to one iterator as there are classes: zip takes a row at a time.
            by_row = (zip(*[iter(values)] * self._outputs, strict=True) for values in (outputs, texts))
            predictions = map(row, ids, *by_row)
        if contributions is not None:
            predictions = map(self._with_contributions, predictions, contributions)
        return f"{self._head}{','.join(predictions)}]}}".encode()

    def _with_contributions(self, prediction: str, added: npt.NDArray[np.float64]) -> str:
        classes = self._classes if self._outputs > 1 else (None,)
        wire = [
            Contribution(class_, values[-1], dict(zip(self._names, values, strict=False)))
            for class_, values in zip(classes, added.tolist(), strict=True)
        ]
        return f'{prediction[:-1]},"contributions":{encode_json(wire).decode()}}}'


def class_index(manifest: Manifest, output: Sequence[float]) -> int | None:
    """The position of the class that is answered for a row's outputs; None where the model has no classes."""
    if manifest.objective == "binary":
        return int(output[0] >= (manifest.threshold or 0.5))
    return max(range(len(output)), key=output.__getitem__) if manifest.objective == "multiclass" else None


_Row = Callable[[str, Any, Any], str]
"""(id, the output or the outputs of the row, the same as JSON) -> prediction as JSON"""


def _binary(manifest: Manifest) -> _Row:
    threshold = manifest.threshold or 0.5
    below, above = (f',"class":{encode_json(name).decode()}}}' for name in manifest.classes)

    def row(id_: str, output: float, text: str) -> str:
        return f'{{"id":"{id_}","probability":{text}{above if output >= threshold else below}'

    return row


def _multiclass(manifest: Manifest) -> _Row:
    probabilities = ",".join(f"{_escaped(name)}:%s" for name in manifest.classes)
    templates = [
        f'{{"id":"%s","probabilities":{{{probabilities}}},"class":{_escaped(name)}}}' for name in manifest.classes
    ]

    def row(id_: str, outputs: tuple[float, ...], texts: tuple[str, ...]) -> str:
        return templates[outputs.index(max(outputs))] % (id_, *texts)

    return row


def _single(field: str) -> Callable[[Manifest], _Row]:
    def row(id_: str, _output: float, text: str) -> str:
        return f'{{"id":"{id_}","{field}":{text}}}'

    return lambda _manifest: row


_ROWS: Final[dict[str, Callable[[Manifest], _Row]]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "regression": _single("value"),
    "ranking": _single("score"),
}


def _escaped(text: str) -> str:
    """A JSON string that is safe as part of a `%` template."""
    return encode_json(text).decode().replace("%", "%%")
