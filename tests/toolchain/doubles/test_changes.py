"""What differs is told at the deepest path that tells it."""

import pytest

from toolchain.doubles.changes import Change, ChangeKind, Path, compare, format_path, touches
from toolchain.doubles.properties import UNKNOWN

ADD, DELETE, UPDATE = ChangeKind.ADD, ChangeKind.DELETE, ChangeKind.UPDATE


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 2}]}}, [], id="equal"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, [Change(("a", "b"), UPDATE)], id="value"),
        pytest.param({}, {"a": {"b": 1}}, [Change(("a",), ADD)], id="added"),
        pytest.param({"a": {"b": 1}}, {"a": {}}, [Change(("a", "b"), DELETE)], id="removed"),
        pytest.param({"a": None}, {}, [], id="null is absent"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, [Change(("a", 1), DELETE)], id="shorter list"),
        pytest.param({"a": [1]}, {"a": [1, 2]}, [Change(("a", 1), ADD)], id="longer list"),
        pytest.param({"a": {"b": 1}}, {"a": [1]}, [Change(("a",), UPDATE)], id="another type"),
        pytest.param({"a": True}, {"a": 1}, [Change(("a",), UPDATE)], id="true is not 1"),
        pytest.param({"a": "x"}, {"a": UNKNOWN}, [Change(("a",), UPDATE)], id="becomes unknown"),
        pytest.param({"a": UNKNOWN}, {"a": UNKNOWN}, [Change(("a",), UPDATE)], id="unknown is never the same"),
    ],
)
def test_each_difference_is_found(old: dict[str, object], new: dict[str, object], expected: list[Change]) -> None:
    """Additions, removals and updates, and nothing where nothing differs."""
    assert compare(old, new) == expected


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "containers", 0, "image"), "spec.containers[0].image"),
        (("metadata", "labels", "app.kubernetes.io/name"), 'metadata.labels["app.kubernetes.io/name"]'),
        (("data", 'a"b'), 'data["a\\"b"]'),
    ],
)
def test_paths_are_written_as_the_engine_reads_them(path: Path, text: str) -> None:
    """Keys that are no plain names are quoted."""
    assert format_path(path) == text


@pytest.mark.parametrize(
    ("path", "rule", "expected"),
    [
        (("spec", "selector", "matchLabels", "a"), "spec.selector", True),
        (("spec",), "spec.selector", True),
        (("spec", "replicas"), "spec.selector", False),
        (("spec", "containers", 3, "env", 0), "spec.containers.*.env", True),
        (("spec", "containers", 3, "image"), "spec.containers.*.env", False),
    ],
)
def test_a_rule_is_reached_from_above_and_below(path: Path, rule: str, expected: bool) -> None:  # noqa: FBT001
    """A change of a whole object reaches every rule inside it."""
    assert touches(path, rule.split(".")) is expected
