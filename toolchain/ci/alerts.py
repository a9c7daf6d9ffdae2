"""Which alerts a change of a ConfigMap with Prometheus' rules adds or takes away."""

from collections.abc import Mapping
from typing import Any

import yaml

from toolchain.ci.plan import Change


def alert_changes(change: Change) -> tuple[list[str], list[str]]:
    """The names of the alerts that a change adds, and of those that it takes away, in order."""
    before, after = _alerts(change.old), _alerts(change.new)
    return sorted(after - before), sorted(before - after)


def _alerts(inputs: Mapping[str, Any]) -> set[str]:
    data = inputs.get("data")
    if not isinstance(data, Mapping):
        return set()
    return {name for text in data.values() if isinstance(text, str) for name in _names(text)}


def _names(text: str) -> list[str]:
    """The alerts of one file; a file that is no rule file has none."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return []
    if not isinstance(document, Mapping) or not isinstance(document.get("groups"), list):
        return []
    return [rule["alert"] for group in document["groups"] for rule in group.get("rules", []) if "alert" in rule]
