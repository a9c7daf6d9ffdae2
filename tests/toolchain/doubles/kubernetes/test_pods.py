"""Why pods do not run, on statuses as kubelets report them."""

from typing import Any

import pytest

from toolchain.doubles.kubernetes.pods import Trouble, troubles


def _pod(name: str = "web-1", *containers: dict[str, Any], **status: object) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"phase": "Pending", "containerStatuses": list(containers), **status}}


def _container(state: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"name": "main", "ready": False, "state": state, **more}


PULLING = _container({"waiting": {"reason": "ImagePullBackOff", "message": "not found: web:2"}})
LOOPING = _container(
    {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
    lastState={"terminated": {"exitCode": 1, "reason": "Error", "message": "no such model"}},
)
KILLED = _container({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
UNREADY = _container({"running": {}}, started=True)


UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: too little memory"}

CASES: dict[str, tuple[dict[str, Any], list[Trouble]]] = {
    "unschedulable": (
        _pod("p", conditions=[UNSCHEDULED]),
        [Trouble("p", "cannot be scheduled: 0/1 nodes: too little memory")],
    ),
    "image": (_pod("p", PULLING), [Trouble("p", "container main: ImagePullBackOff: not found: web:2")]),
    "crash loop, with the last run's end and log": (
        _pod("p", LOOPING),
        [
            Trouble(
                "p",
                "container main: CrashLoopBackOff: back-off 10s; it exited with 1 (Error): no such model",
                "main",
                previous=True,
            )
        ],
    ),
    "killed": (_pod("p", KILLED), [Trouble("p", "container main exited with 137 (OOMKilled)", "main")]),
    "unready": (_pod("p", UNREADY), [Trouble("p", "container main runs but is not ready", "main")]),
    "evicted": (
        _pod("p", phase="Failed", reason="Evicted", message="disk"),
        [Trouble("p", "the pod failed (Evicted): disk")],
    ),
    "on its way": (_pod("p", _container({"waiting": {"reason": "ContainerCreating"}})), []),
    "done": (_pod("p", _container({"terminated": {"exitCode": 0}}), phase="Succeeded"), []),
    "runs": (_pod("p", _container({"running": {}}, ready=True)), []),
}


@pytest.mark.parametrize(("pod", "expected"), CASES.values(), ids=CASES.keys())
def test_the_trouble_of_a_pod_is_told(pod: dict[str, Any], expected: list[Trouble]) -> None:
    """In the kubelet's and the scheduler's own words."""
    assert troubles([pod]) == expected


def test_an_init_container_comes_first() -> None:
    """What comes after it cannot start."""
    pod = _pod("p", _container({"waiting": {"reason": "PodInitializing"}}))
    pod["status"]["initContainerStatuses"] = [{**KILLED, "name": "fetch"}]
    assert [trouble.container for trouble in troubles([pod])] == ["fetch"]


def test_the_same_trouble_of_many_pods_is_told_once() -> None:
    """And that of a pod that goes anyway not at all."""
    going = _pod("going", KILLED)
    going["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert [trouble.pod for trouble in troubles([going, _pod("a", PULLING), _pod("b", PULLING)])] == ["a"]
