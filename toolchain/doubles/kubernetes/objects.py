"""Kubernetes objects as plain values: how to find what is in them (pure)."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from toolchain.doubles.properties import UNKNOWN

KubernetesObject: TypeAlias = dict[str, Any]

ANNOTATION_AUTONAMED = "pulumi.com/autonamed"
ANNOTATION_DELETION_POLICY = "pulumi.com/deletionPropagationPolicy"
ANNOTATION_FIELD_MANAGER = "pulumi.com/patchFieldManager"
ANNOTATION_FORCE = "pulumi.com/patchForce"
ANNOTATION_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ANNOTATION_SKIP_AWAIT = "pulumi.com/skipAwait"
ANNOTATION_TIMEOUT = "pulumi.com/timeoutSeconds"


@dataclass(frozen=True, slots=True, order=True)
class GroupKind:
    """What kind an object is, whatever the version; the core group is empty."""

    group: str
    kind: str

    def __str__(self) -> str:
        """The kind, and its group where it has one."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


def group_kind(value: Mapping[str, Any]) -> GroupKind:
    """The kind of an object."""
    group, separator, _ = str(value.get("apiVersion", "")).partition("/")
    return GroupKind(group if separator else "", str(value.get("kind", "")))


def dig(value: object, *path: str | int) -> Any:  # noqa: ANN401 - a JSON value
    """The value at a path; None where anything on the way is missing."""
    for part in path:
        if isinstance(part, str):
            value = value.get(part) if isinstance(value, Mapping) else None
        else:
            value = value[part] if isinstance(value, list) and part < len(value) else None
    return value


def annotation(value: Mapping[str, Any], name: str) -> str | None:
    """An annotation's text; None where it is missing or not yet known."""
    found = dig(value, "metadata", "annotations", name)
    return None if found is None or found is UNKNOWN else str(found)


def condition(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A condition from an object's status; empty where it is missing."""
    for entry in dig(value, "status", "conditions") or []:
        if entry.get("type") == name:
            return dict(entry)
    return {}


def object_name(value: Mapping[str, Any]) -> str:
    """An object's namespace and name, as in an ID: `namespace/name`, or `name` where it has no namespace."""
    namespace, name = dig(value, "metadata", "namespace"), dig(value, "metadata", "name")
    return f"{namespace}/{name}" if namespace else str(name)


def split_identifier(identifier: str) -> tuple[str | None, str]:
    """The namespace, if any, and the name that an ID is made of."""
    namespace, separator, name = identifier.rpartition("/")
    return (namespace if separator else None), name


def for_server(inputs: Mapping[str, Any]) -> KubernetesObject:
    """The object to apply: the inputs without what only the server writes.

    A Secret's `stringData` goes as `data`, for the server forgets who set the former: a key taken out of it would stay.
    """
    result: KubernetesObject = _without_nulls(
        {key: value for key, value in inputs.items() if key != "status" and key[:2] != "__"}
    )
    strings = result.pop("stringData", None) if group_kind(inputs) == GroupKind("", "Secret") else None
    if strings:
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in strings.items()}
        result["data"] = {**result.get("data", {}), **encoded}
    return result


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
