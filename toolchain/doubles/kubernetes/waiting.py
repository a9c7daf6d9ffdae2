"""Waits until an object is what it should be, telling how it goes."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from toolchain.doubles.errors import RefusedError
from toolchain.doubles.kubernetes.client import ApiError, Cluster
from toolchain.doubles.kubernetes.objects import GroupKind, KubernetesObject, dig, group_kind
from toolchain.doubles.kubernetes.pods import Trouble, troubles
from toolchain.doubles.kubernetes.readiness import Phase, Related, Verdict, judge

_POLL_FIRST_SECONDS, _POLL_LAST_SECONDS, _POLL_GROWTH = 0.2, 2.0, 1.3
# A look at pods and events costs several requests; the verdict itself only one.
_LOOK_CLOSER_SECONDS = 4.0
# The CLI counts the seconds by itself on a terminal; in a log, silence looks like a hang.
_REPEAT_SECONDS = 20.0
_LOG_LINES = 5
_REASONS_MAX = 6

_WITH_PODS = frozenset(
    {
        GroupKind("apps", "DaemonSet"),
        GroupKind("apps", "Deployment"),
        GroupKind("apps", "ReplicaSet"),
        GroupKind("apps", "StatefulSet"),
        GroupKind("batch", "Job"),
    }
)
_IS_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_REVISION = "deployment.kubernetes.io/revision"


@dataclass(slots=True)
class Wait:
    """How a wait goes.

    Attributes:
        timeout_seconds: the longest it may take.
        cancelled: set when the person gave up.
        show: shows a line of progress.
    """

    timeout_seconds: float
    cancelled: threading.Event
    show: Callable[[str], None]
    _told: str = ""
    _told_at: float = 0.0

    def tell(self, message: str) -> None:
        """Shows the message when it says something new, or when nothing was shown for long."""
        now = time.monotonic()
        if message != self._told or now - self._told_at > _REPEAT_SECONDS:
            self._told, self._told_at = message, now
            self.show(message)

    def polls(self) -> Iterator[float]:
        """The seconds waited so far, again and again until the time is up or the person gave up."""
        start, pause = time.monotonic(), _POLL_FIRST_SECONDS
        while (elapsed := time.monotonic() - start) < self.timeout_seconds:
            yield elapsed
            if self.cancelled.wait(min(pause, max(self.timeout_seconds - elapsed, 0.0))):
                return
            pause = min(pause * _POLL_GROWTH, _POLL_LAST_SECONDS)

    @property
    def end(self) -> str:
        """Why a wait that came to its end did."""
        if self.cancelled.is_set():
            return "cancelled while waiting"
        return f"not ready after {self.timeout_seconds:g} s (the option custom_timeouts gives it longer)"


def until_ready(cluster: Cluster, live: KubernetesObject, wait: Wait) -> tuple[KubernetesObject, list[str]]:
    """Waits for an object that was applied; gives it as it is at the end, and why it is not ready, if it is not."""
    path = _path(cluster, live)
    verdict, looked = Verdict(Phase.WAITING), 0.0
    seen: list[str] = []
    for elapsed in wait.polls():
        live = cluster.get(path)
        verdict = judge(live, related(cluster, live))
        if verdict.phase is Phase.READY:
            return live, []
        if verdict.phase is Phase.FAILED:
            return live, [verdict.message, *reasons(cluster, live)]
        if elapsed - looked > _LOOK_CLOSER_SECONDS:
            looked, seen = elapsed, [trouble.text for trouble in troubles(_pods(cluster, live))]
        wait.tell("; ".join([verdict.message, *seen]))
    return live, [f"{wait.end}: {verdict.message}", *reasons(cluster, live)]


def related(cluster: Cluster, live: KubernetesObject) -> Related:
    """What the rule for the object's kind has to know beside it."""
    namespace = dig(live, "metadata", "namespace")
    match group_kind(live):
        case GroupKind("", "Service"):
            endpoint = cluster.endpoint("discovery.k8s.io/v1", "EndpointSlice")
            selector = f"kubernetes.io/service-name={live['metadata']['name']}"
            return Related(endpoint_slices=cluster.items(endpoint.path(namespace), labelSelector=selector))
        case GroupKind("", "PersistentVolumeClaim"):
            return Related(storage_class=_storage_class(cluster, dig(live, "spec", "storageClassName")))
        case _:
            return Related()


def reasons(cluster: Cluster, live: KubernetesObject) -> list[str]:
    """What events, pods and their logs say of why an object is not ready; nothing where they cannot be had."""
    found = []
    try:
        found += _warnings(cluster, live)
        pods = _pods(cluster, live)
        for trouble in troubles(pods):
            found.append(f"pod {trouble.pod}: {trouble.text}{_log(cluster, live, trouble)}")
        for pod in [pod for pod in pods if dig(pod, "status", "phase") == "Pending"][:1]:
            found += [f"pod {pod['metadata']['name']}: {text}" for text in _warnings(cluster, pod)]
    except (ApiError, RefusedError):
        # Reasons are an extra: that they cannot be had (permissions, a node that is gone) must not hide the failure.
        return found[:_REASONS_MAX]
    return list(dict.fromkeys(found))[:_REASONS_MAX]


def _path(cluster: Cluster, live: Mapping[str, Any]) -> str:
    endpoint = cluster.endpoint(live["apiVersion"], live["kind"])
    return endpoint.path(dig(live, "metadata", "namespace"), live["metadata"]["name"])


def _storage_class(cluster: Cluster, name: str | None) -> KubernetesObject | None:
    classes = cluster.items(cluster.endpoint("storage.k8s.io/v1", "StorageClass").path(None))
    for entry in classes:
        default = dig(entry, "metadata", "annotations", _IS_DEFAULT_CLASS) == "true"
        if entry["metadata"]["name"] == name or (name is None and default):
            return entry
    return None


def _pods(cluster: Cluster, live: KubernetesObject) -> list[KubernetesObject]:
    """The pods that an object is waited for; of a Deployment those of its newest revision."""
    if group_kind(live) == GroupKind("", "Pod"):
        return [live]
    if group_kind(live) not in _WITH_PODS:
        return []
    selector = ",".join(f"{key}={value}" for key, value in (dig(live, "spec", "selector", "matchLabels") or {}).items())
    namespace = dig(live, "metadata", "namespace")
    owner = live
    if group_kind(live) == GroupKind("apps", "Deployment"):
        sets = cluster.items(cluster.endpoint("apps/v1", "ReplicaSet").path(namespace), labelSelector=selector)
        revision = dig(live, "metadata", "annotations", _REVISION)
        newest = [entry for entry in sets if dig(entry, "metadata", "annotations", _REVISION) == revision]
        owner = next((entry for entry in newest if _owns(live, entry)), live)
    pods = cluster.items(cluster.endpoint("v1", "Pod").path(namespace), labelSelector=selector)
    return [pod for pod in pods if _owns(owner, pod)]


def _owns(owner: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    references = dig(entry, "metadata", "ownerReferences") or []
    return any(reference.get("uid") == dig(owner, "metadata", "uid") for reference in references)


def _warnings(cluster: Cluster, live: Mapping[str, Any]) -> list[str]:
    """The newest warning about an object."""
    uid = dig(live, "metadata", "uid")
    path = cluster.endpoint("v1", "Event").path(dig(live, "metadata", "namespace") or "default")
    events = cluster.items(path, fieldSelector=f"involvedObject.uid={uid},type=Warning")
    newest = sorted(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))[-1:]
    return [f"{event.get('reason')}: {str(event.get('message', '')).strip()}" for event in newest]


def _log(cluster: Cluster, live: Mapping[str, Any], trouble: Trouble) -> str:
    if not trouble.container:
        return ""
    path = cluster.endpoint("v1", "Pod").path(dig(live, "metadata", "namespace"), trouble.pod)
    try:
        text = cluster.text(
            f"{path}/log",
            container=trouble.container,
            tailLines=str(_LOG_LINES),
            previous=str(trouble.previous).lower(),
        )
    except (ApiError, RefusedError):
        # The kubelet throws logs away, and a pod may be gone by now.
        return ""
    return f"; its log ends with:\n{text.rstrip()}" if text.strip() else ""
