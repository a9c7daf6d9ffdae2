"""Between an object as it lives on the server and the resource's inputs and outputs (pure)."""

import copy
import json
from collections.abc import Mapping
from typing import Any

from toolchain.doubles.kubernetes.objects import (
    ANNOTATION_LAST_APPLIED,
    GroupKind,
    KubernetesObject,
    annotation,
    dig,
    group_kind,
)
from toolchain.doubles.properties import UNKNOWN, Properties, Secret

FIELD_MANAGER = "__fieldManager"
INITIAL_API_VERSION = "__initialApiVersion"

# Written by the server alone; in an object that is compared or imported they say nothing of what anybody wanted.
_SERVER_METADATA = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
# Made by a dry-run as well, but other than the real ones will be.
_INVENTED_BY_DRY_RUN = (*_SERVER_METADATA, "deletionTimestamp")

_SECRET = GroupKind("", "Secret")
_SERVICE = GroupKind("", "Service")


def outputs(live: Mapping[str, Any], manager: str) -> Properties:
    """The outputs that stand for a live object."""
    result = _public(live)
    result[FIELD_MANAGER] = manager
    result[INITIAL_API_VERSION] = live.get("apiVersion")
    return result


def outputs_of_dry_run(answer: Mapping[str, Any], inputs: Mapping[str, Any]) -> Properties:
    """The outputs that a preview may promise for an object that is still to be made.

    What the server would make up anew the next time is left out, or not yet known where programs rely on it.
    """
    result = _public(answer)
    for key in _INVENTED_BY_DRY_RUN:
        result["metadata"].pop(key, None)
    if "status" in result or group_kind(inputs) == _SERVICE:
        result["status"] = UNKNOWN
    if group_kind(inputs) == _SERVICE and isinstance(result.get("spec"), dict):
        for key in ("clusterIP", "clusterIPs"):
            if dig(inputs, "spec", key) is None and key in result["spec"]:
                result["spec"][key] = UNKNOWN
        for index, port in enumerate(result["spec"].get("ports", [])):
            if dig(inputs, "spec", "ports", index, "nodePort") is None and "nodePort" in port:
                port["nodePort"] = UNKNOWN
    return result


def outputs_of_inputs(inputs: Mapping[str, Any]) -> Properties:
    """The outputs that a preview may promise where the server cannot be asked."""
    return {**_public(inputs), "status": UNKNOWN}


def current_inputs(inputs: Properties, live: Mapping[str, Any], applied: Mapping[str, Any]) -> Properties:
    """The inputs as they would have to be for the object to be as it is.

    Where applying the recorded inputs would change nothing they stay as they were written: the server writes `1024Mi`
    as `1Gi`, and that is no drift.

    Args:
        inputs: as recorded.
        live: the object as it is.
        applied: the object as it would be if the inputs were applied again.
    """
    result: Properties = _current(inputs, _comparable(live), _comparable(applied))
    return result


def imported(live: Mapping[str, Any]) -> Properties:
    """Inputs that would make an object that is under nobody's program yet."""
    applied = annotation(live, ANNOTATION_LAST_APPLIED)
    if applied is not None:
        inputs: Properties = json.loads(applied)
        inputs.setdefault("metadata", {}).setdefault("name", dig(live, "metadata", "name"))
        return inputs
    return _comparable(live)


def _public(value: Mapping[str, Any]) -> KubernetesObject:
    result: KubernetesObject = copy.deepcopy(dict(value))
    metadata = result.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    if group_kind(value) == _SECRET:
        for key in ("data", "stringData"):
            if result.get(key) is not None and result[key] is not UNKNOWN:
                result[key] = Secret(result[key])
        applied = annotation(value, ANNOTATION_LAST_APPLIED)
        if applied is not None:
            result["metadata"]["annotations"][ANNOTATION_LAST_APPLIED] = Secret(applied)
    return result


def _comparable(live: Mapping[str, Any]) -> KubernetesObject:
    result = copy.deepcopy({key: value for key, value in live.items() if key != "status"})
    for key in _SERVER_METADATA:
        result.get("metadata", {}).pop(key, None)
    return result


def _current(wanted: Any, live: Any, applied: Any) -> Any:  # noqa: ANN401 - JSON values
    if live == applied:
        return wanted
    if isinstance(wanted, Mapping) and isinstance(live, Mapping) and isinstance(applied, Mapping):
        return {
            key: _current(value, live.get(key), applied.get(key))
            for key, value in wanted.items()
            if key in live or key not in applied
        }
    if isinstance(wanted, list) and isinstance(live, list) and isinstance(applied, list):
        return _current_list(wanted, live, applied)
    return live


def _current_list(wanted: list[Any], live: list[Any], applied: list[Any]) -> list[Any]:
    if all(_named(items) for items in (wanted, live, applied)):
        by_name, after = ({item["name"]: item for item in items} for items in (wanted, applied))
        return [_current(by_name.get(item["name"], item), item, after.get(item["name"])) for item in live]
    if len(wanted) == len(live) == len(applied):
        return [_current(*items) for items in zip(wanted, live, applied, strict=True)]
    return live


def _named(items: list[Any]) -> bool:
    return all(isinstance(item, Mapping) and "name" in item for item in items)
