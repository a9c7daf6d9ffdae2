"""The fast way from the model's outputs to the bytes of an answer.

What is the same in every answer of a model is written once, at load; a row costs 0.3 us. The types in `scoring.wire`
say what comes out, and the tests hold the two together.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from lifecycle.manifest import Manifest

from scoring.wire import Contribution, Unusual, encode_json

Flags = Mapping[int, Sequence[Unusual]]
"""Rows, by their place, that have something unusual."""


class AnswerWriter:
    """Writes the answers of one model version."""

    def __init__(self, manifest: Manifest) -> None:
        """Args: the manifest of the version."""
        self._outputs: Final = manifest.outputs
        self._classes: Final = manifest.classes
        self._names: Final = manifest.feature_schema.names
        reference = encode_json({"name": manifest.model, "version": manifest.version}).decode()
        self._head: Final = f'{{"model":{reference},"predictions":['
        self._ranking_head: Final = f'{{"model":{reference},"ranking":['
        self._write: Final = _WRITERS[manifest.objective](manifest)

    def write(
        self,
        ids: Sequence[str],
        outputs: list[float],
        contributions: npt.NDArray[np.float64] | None,
        unusual: Flags,
    ) -> bytes:
        """The body of an answer.

        Args:
            ids: one for each row.
            outputs: as many for each row as the model has.
            contributions: rows x outputs x (features + 1), where the client wants them.
            unusual: what is unusual about which rows.
        """
        predictions = self._predictions(ids, outputs)
        if contributions is not None:
            predictions = list(map(self._with_contributions, predictions, contributions))
        for row, flags in unusual.items():
            predictions[row] = _with_flags(predictions[row], flags)
        return (self._head + ",".join(predictions) + "]}").encode()

    def write_ranking(self, ids: Sequence[str], outputs: list[float], places: Sequence[int], unusual: Flags) -> bytes:
        """The body of an answer that gives the candidates at these places alone, in this order."""
        predictions = self._predictions([ids[place] for place in places], [outputs[place] for place in places])
        ranked = []
        for place, prediction in zip(places, predictions, strict=True):
            whole = _with_flags(prediction, unusual[place]) if place in unusual else prediction
            ranked.append(f'{{"index":{place},{whole[1:]}')
        return (self._ranking_head + ",".join(ranked) + "]}").encode()

    def _predictions(self, ids: Sequence[str], outputs: list[float]) -> list[str]:
        # msgspec writes a float in a fifth of the time of repr(), and null for what JSON may not have.
        texts = encode_json(outputs)[1:-1].decode().split(",")
        return self._write(ids, outputs, texts)

    def _with_contributions(self, prediction: str, added: npt.NDArray[np.float64]) -> str:
        classes = self._classes if self._outputs > 1 else (None,)
        wire = [
            Contribution(class_, values[-1], dict(zip(self._names, values, strict=False)))
            for class_, values in zip(classes, added.tolist(), strict=True)
        ]
        return f'{prediction[:-1]},"contributions":{encode_json(wire).decode()}}}'


def _with_flags(prediction: str, flags: Sequence[Unusual]) -> str:
    return f'{prediction[:-1]},"unusual":{encode_json(flags).decode()}}}'


def class_index(manifest: Manifest, output: Sequence[float]) -> int | None:
    """The position of the class that is answered for a row's outputs; None where the model has no classes."""
    if manifest.objective == "binary":
        return int(output[0] >= (manifest.threshold or 0.5))
    return max(range(len(output)), key=output.__getitem__) if manifest.objective == "multiclass" else None


_Write = Callable[[Sequence[str], Sequence[float], Sequence[str]], list[str]]
"""(ids, outputs, the outputs as JSON) -> predictions as JSON"""


def _binary(manifest: Manifest) -> _Write:
    threshold = manifest.threshold or 0.5
    below, above = (f',"class":{encode_json(name).decode()}}}' for name in manifest.classes)

    def write(ids: Sequence[str], outputs: Sequence[float], texts: Sequence[str]) -> list[str]:
        return [
            f'{{"id":"{id_}","probability":{text}{above if output >= threshold else below}'
            for id_, output, text in zip(ids, outputs, texts, strict=True)
        ]

    return write


def _multiclass(manifest: Manifest) -> _Write:
    probabilities = ",".join(f"{_escaped(name)}:%s" for name in manifest.classes)
    templates = [
        f'{{"id":"%s","probabilities":{{{probabilities}}},"class":{_escaped(name)}}}' for name in manifest.classes
    ]

    def write(ids: Sequence[str], outputs: Sequence[float], texts: Sequence[str]) -> list[str]:
        # As many references to one iterator as there are classes: zip takes a row at a time.
        rows, row_texts = (zip(*[iter(values)] * len(templates), strict=True) for values in (outputs, texts))
        return [
            templates[row.index(max(row))] % (id_, *written)
            for id_, row, written in zip(ids, rows, row_texts, strict=True)
        ]

    return write


def _single(field: str) -> Callable[[Manifest], _Write]:
    def write(ids: Sequence[str], _outputs: Sequence[float], texts: Sequence[str]) -> list[str]:
        return [f'{{"id":"{id_}","{field}":{text}}}' for id_, text in zip(ids, texts, strict=True)]

    return lambda _manifest: write


_WRITERS: Final[dict[str, Callable[[Manifest], _Write]]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "regression": _single("value"),
    "ranking": _single("score"),
}


def _escaped(text: str) -> str:
    """A JSON string that is safe as part of a `%` template."""
    return encode_json(text).decode().replace("%", "%%")
