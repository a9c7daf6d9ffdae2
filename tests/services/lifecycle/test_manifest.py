"""A manifest is read back as it was written, and refused by the first property that is not as it must be."""

import json
from typing import Any

import pytest
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import StoredModel


@pytest.fixture
def document(stored_model: StoredModel) -> dict[str, Any]:
    """A valid manifest, to be spoilt."""
    found: dict[str, Any] = json.loads(stored_model.manifest.to_json())
    return found


def test_a_manifest_reads_back_as_it_was_written(stored_model: StoredModel) -> None:
    """Every digit of every float included."""
    assert Manifest.from_json(stored_model.manifest.to_json()) == stored_model.manifest


def test_the_file_facts_are_those_of_the_bytes() -> None:
    """SHA-256 of the well-known example, and the size."""
    file = ModelFile.of(b"abc")
    assert file.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file.size_bytes == 3


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("schema_version", 2, "schema_version"),
        ("version", "1", "version"),
        ("version", 0, "version"),
        ("version", True, "version"),
        ("model", "Car Loan", "model"),
        ("objective", "clustering", "objective"),
        ("objective", "regression", "manifest: Value error, classes"),
        ("threshold", 1.5, "threshold"),
        ("threshold", None, "manifest: Value error, threshold"),
        ("classes", ["one"], "manifest: Value error, classes"),
        ("file.sha256", "abc", "file.sha256"),
        ("file.name", "../model.txt", "file.name"),
        ("file.size_bytes", 0, "file.size_bytes"),
        ("training.created_at", "2026-01-01T00:00:00", "training.created_at"),
        ("training.metrics.auc", "2", "training.metrics.auc"),
        ("parity", [], "parity"),
        ("surprise", 1, "surprise"),
    ],
)
def test_a_wrong_property_is_named(document: dict[str, Any], path: str, value: object, named: str) -> None:
    """Wrong types are not coerced, unknown properties are not ignored."""
    *parents, last = path.split(".")
    section = document
    for parent in parents:
        section = section[parent]
    section[last] = value
    with pytest.raises(ValueError, match=f"^{named}"):
        Manifest.from_json(json.dumps(document).encode())


def test_parity_rows_must_follow_the_schema(document: dict[str, Any]) -> None:
    """Else the check at load would fail for the wrong reason."""
    document["parity"][0]["features"]["salary_range"] = "none of them"
    with pytest.raises(ValueError, match="one of"):
        Manifest.from_json(json.dumps(document).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'{"threshold": NaN}'])
def test_what_is_no_manifest_at_all_is_a_value_error_of_one_line(data: bytes) -> None:
    """No parser's own error escapes."""
    with pytest.raises(ValueError, match=r".+") as caught:
        Manifest.from_json(data)
    assert "\n" not in str(caught.value)
