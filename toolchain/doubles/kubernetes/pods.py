"""Why a pod does not run (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from toolchain.doubles.kubernetes.objects import condition, dig

# States that every pod goes through on its way.
_ON_THE_WAY = frozenset({"ContainerCreating", "PodInitializing"})


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a pod from running.

    Attributes:
        pod: its name.
        text: what is wrong.
        container: the container whose log may tell more; empty where none ran.
        previous: whether that log is of the run before.
    """

    pod: str
    text: str
    container: str = ""
    previous: bool = False


def troubles(pods: Iterable[Mapping[str, Any]]) -> list[Trouble]:
    """What keeps pods from running, the same trouble of several told once."""
    found: dict[str, Trouble] = {}
    for pod in pods:
        if dig(pod, "metadata", "deletionTimestamp") is None:
            for trouble in _of(pod):
                found.setdefault(trouble.text, trouble)
    return list(found.values())


def _of(pod: Mapping[str, Any]) -> list[Trouble]:
    name = str(dig(pod, "metadata", "name"))
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return []
    if status.get("phase") == "Failed" and status.get("reason"):
        return [Trouble(name, f"the pod failed ({status['reason']}): {status.get('message', '')}")]
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return [Trouble(name, f"cannot be scheduled: {scheduled.get('message') or scheduled.get('reason')}")]
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return [trouble for entry in containers if (trouble := _of_container(name, entry)) is not None]


def _of_container(pod: str, status: Mapping[str, Any]) -> Trouble | None:
    container = str(status.get("name"))
    waiting = dig(status, "state", "waiting")
    if waiting and waiting.get("reason") not in _ON_THE_WAY:
        text = _sentence(f"container {container}: {waiting.get('reason')}", waiting.get("message"))
        before = dig(status, "lastState", "terminated")
        if before:
            text += f"; it {_end(before)}"
        return Trouble(pod, text, container if before else "", previous=bool(before))
    terminated = dig(status, "state", "terminated")
    if terminated and terminated.get("exitCode") != 0:
        return Trouble(pod, f"container {container} {_end(terminated)}", container)
    running = dig(status, "state", "running") is not None
    if running and status.get("ready") is False and status.get("started") is not False:
        return Trouble(pod, f"container {container} runs but is not ready", container)
    return None


def _end(terminated: Mapping[str, Any]) -> str:
    return _sentence(
        f"exited with {terminated.get('exitCode')} ({terminated.get('reason', 'no reason given')})",
        terminated.get("message"),
    )


def _sentence(text: str, message: object) -> str:
    return f"{text}: {str(message).strip()}" if message else text
