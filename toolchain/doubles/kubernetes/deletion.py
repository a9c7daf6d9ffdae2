"""Takes an object away and waits until it is gone."""

from collections.abc import Mapping
from typing import Any

from toolchain.doubles.errors import RefusedError
from toolchain.doubles.kubernetes.client import ApiError, Cluster
from toolchain.doubles.kubernetes.naming import is_built_in
from toolchain.doubles.kubernetes.objects import ANNOTATION_DELETION_POLICY, GroupKind, annotation, dig, group_kind
from toolchain.doubles.kubernetes.waiting import Wait

_POLICIES = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}

# What these own must be gone before what they depend on goes: pods hold volumes, configuration, service accounts. What
# kinds of a cluster's own own, nobody here knows: a node pool owns nodes. For others the collector's round costs time
# and gains nothing.
_WITH_DEPENDENTS = frozenset(
    {
        GroupKind("apps", "DaemonSet"),
        GroupKind("apps", "Deployment"),
        GroupKind("apps", "ReplicaSet"),
        GroupKind("apps", "StatefulSet"),
        GroupKind("batch", "CronJob"),
        GroupKind("batch", "Job"),
    }
)


def delete(cluster: Cluster, path: str, recorded: Mapping[str, Any], wait: Wait) -> None:
    """Deletes the object at the path; one that is not there is no error.

    Raises:
        RefusedError: its annotation names no policy, or it is still there when the time is up.
        ApiError: the server does not let it go.
    """
    try:
        cluster.delete(path, propagation(recorded))
        live = cluster.get(path)
        uid = dig(live, "metadata", "uid")
        for _ in wait.polls():
            live = cluster.get(path)
            if dig(live, "metadata", "uid") != uid:
                # Somebody made a new one of that name; it is not ours.
                return
            wait.tell(f"waiting until it is gone{holders(live)}")
    except ApiError as error:
        if error.missing:
            return
        raise
    why = "cancelled while waiting" if wait.cancelled.is_set() else f"still there after {wait.timeout_seconds:g} s"
    message = f"{path} is marked for deletion, but {why}{holders(live)}"
    raise RefusedError(message)


def propagation(recorded: Mapping[str, Any]) -> str:
    """How the deletion reaches what the object owns (pure).

    Raises:
        RefusedError: the annotation that chooses it has a word that is none.
    """
    chosen = annotation(recorded, ANNOTATION_DELETION_POLICY)
    if chosen is None:
        kind = group_kind(recorded)
        return "Foreground" if kind in _WITH_DEPENDENTS or not is_built_in(kind) else "Background"
    if chosen.lower() not in _POLICIES:
        message = f"the annotation {ANNOTATION_DELETION_POLICY} is {chosen!r}; it may be one of {', '.join(_POLICIES)}"
        raise RefusedError(message)
    return _POLICIES[chosen.lower()]


def holders(live: Mapping[str, Any]) -> str:
    """What keeps an object that is marked for deletion, as the end of a sentence (pure)."""
    parts = [
        str(entry.get("message"))
        for entry in dig(live, "status", "conditions") or []
        if group_kind(live) == GroupKind("", "Namespace") and entry.get("status") == "True" and entry.get("message")
    ]
    finalizers = dig(live, "metadata", "finalizers")
    if finalizers:
        parts.append(f"finalizers: {', '.join(finalizers)}")
    return f": {'; '.join(parts)}" if parts else ""
