"""Labels: the truth of predictions, as it becomes known. Knows nothing of HTTP."""

import re
import time
from typing import Final

from lifecycle.manifest import Manifest

from scoring.decoding import decode_json, list_of, object_of, wrong_shape
from scoring.errors import RequestError
from scoring.recording import LabelRecord

_ID: Final = re.compile(r"[0-9a-f]{32}\Z")
_CLASSES_IN_MESSAGE: Final = 20


def read_labels(body: bytes, manifest: Manifest, most: int) -> list[LabelRecord]:
    """The labels of {"labels": [{"id": ..., "label": ...}, ...]}: a class's name, or a number without classes.

    Raises:
        RequestError: the body is not JSON (400), or not labels of this model (422).
    """
    document = object_of(decode_json(body), "body", "an object with the field labels", ("labels",))
    found = list_of(document, "labels", "an array of objects", most)
    now_us = time.time_ns() // 1000
    return [_label(label, manifest, f"labels[{index}]", now_us) for index, label in enumerate(found)]


def _label(found: object, manifest: Manifest, place: str, now_us: int) -> LabelRecord:
    label = object_of(found, place, "an object with the fields id and label", ("id", "label"))
    id_, value = label["id"], label.get("label")
    if not isinstance(id_, str) or not _ID.match(id_):
        raise RequestError(422, "wrong_type", "Expected the id of a prediction, 32 hex digits.", f"{place}.id")
    if "label" not in label:
        raise RequestError(422, "missing_field", "This field is required.", f"{place}.label")
    if manifest.classes:
        if not isinstance(value, str):
            raise wrong_shape(f"{place}.label", "the name of a class", value)
        if value not in manifest.classes:
            known = ", ".join(manifest.classes[:_CLASSES_IN_MESSAGE])
            raise RequestError(422, "unknown_label", f"Expected one of: {known}.", f"{place}.label")
        return LabelRecord(id_, now_us, float(manifest.classes.index(value)))
    if not isinstance(value, float) or value - value != 0:  # numbers are decoded as float; inf - inf is NaN
        raise wrong_shape(f"{place}.label", "a finite number", value)
    return LabelRecord(id_, now_us, value)
