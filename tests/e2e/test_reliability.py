"""What breaks on the running stack under steady load, what it costs, and that nothing acknowledged is lost.

The figures of a run go to build/reliability.json; `make reliability` makes docs/reliability.md of them.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import httpx
import psutil
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from lifecycle.prediction_log import current_parts
from lifecycle.store import ObjectStore

from infra.config.scoring import PredictionLogConfig
from tests.e2e.harness import Stack, eventually
from tests.e2e.steady import CLIENTS, PER_SECOND, TRIES, Steady
from toolchain.cluster import node
from toolchain.demo.rows import rows
from toolchain.reference.reliability import FIGURES

pytestmark = pytest.mark.e2e

MODEL: Final = "car-loan"

QUIET_SECONDS: Final = 5.0
"""Without a failed try, and with every pod ready: steady again."""
PATIENCE_SECONDS: Final = 150.0

DISK_MIB: Final = 2
"""What a pod may keep on its disk here: minutes of the load, and a few of the bodies that fill it."""

_SCORING: Final = f"app.kubernetes.io/instance={MODEL},app.kubernetes.io/name=scoring"

_EVERYTHING: Final = (
    ("ml", f"deployment/scoring-{MODEL}"),
    ("ml", "deployment/drift"),
    ("ml", "deployment/retraining"),
    ("storage", "statefulset/object-store"),
    ("monitoring", "statefulset/prometheus"),
    ("monitoring", "statefulset/alertmanager"),
)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        name: in the table of figures.
        promise: what a client and an operator may rely on.
        cause: makes it happen, and undoes it where nothing would by itself.
        failed_tries: whether tries may fail at all.
        failed_requests: whether requests may, with 503 and nothing else; where not, sent again each is answered.
    """

    name: str
    promise: str
    cause: Callable[[Stack], None]
    failed_tries: bool = False
    failed_requests: bool = False


@dataclass(frozen=True)
class Figures:
    """What a fault did.

    Attributes:
        requests: while it lasted and until things were steady again.
        failed_tries: of them, tries that ended without an answer.
        failed_requests: requests whose every try did.
        slowest_seconds: of the answered requests.
        steady_after_seconds: from its begin until nothing failed any more and every pod was ready.
    """

    name: str
    promise: str
    requests: int
    failed_tries: int
    failed_requests: int
    slowest_seconds: float
    steady_after_seconds: float


def _processes(stack: Stack, program: str) -> list[psutil.Process]:
    """The processes of the embedded node that run a program, by the last part of a word of their command."""
    first = node.first_process(stack.cluster)
    assert first is not None
    found = []
    for process in first.children(recursive=True):
        try:
            if program in {word.rsplit("/", 1)[-1] for word in process.cmdline()[:3]}:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _kill(program: str) -> Callable[[Stack], None]:
    def cause(stack: Stack) -> None:
        before = _processes(stack, program)
        known = {process.pid for process in before}
        max(before, key=lambda process: float(process.create_time())).kill()
        # Another one in its place: what was hit was meant to run.
        assert eventually(lambda: {each.pid for each in _processes(stack, program)} - known, bool, PATIENCE_SECONDS), (
            program
        )

    return cause


def _freeze(program: str, seconds: float) -> Callable[[Stack], None]:
    def cause(stack: Stack) -> None:
        (process,) = _processes(stack, program)
        process.suspend()
        try:
            time.sleep(seconds)
        finally:
            process.resume()

    return cause


def _stop(*workloads: str, namespace: str, seconds: float) -> Callable[[Stack], None]:
    def cause(stack: Stack) -> None:
        stack.kubectl("scale", *workloads, f"--namespace={namespace}", "--replicas=0")
        time.sleep(seconds)
        stack.kubectl("scale", *workloads, f"--namespace={namespace}", "--replicas=1")

    return cause


def _each_pod(stack: Stack) -> None:
    for pod in _pods(stack, "ml", _SCORING):
        # The autoscaler, too, takes pods away.
        stack.kubectl("delete", "pod", pod["metadata"]["name"], "--namespace=ml", "--wait", "--ignore-not-found")
        stack.kubectl("rollout", "status", f"deployment/scoring-{MODEL}", "--namespace=ml", "--timeout=120s")


def _roll_everything(stack: Stack) -> None:
    for namespace, workload in _EVERYTHING:
        stack.kubectl("rollout", "restart", workload, f"--namespace={namespace}")
    for namespace, workload in _EVERYTHING:
        stack.kubectl("rollout", "status", workload, f"--namespace={namespace}", "--timeout=150s")


_ALLOCATE: Final = """
import os, time
for _ in range(32):
    if os.fork() == 0:
        taken = b"x" * 2**25
        time.sleep(20)
        os._exit(0)
time.sleep(20)
"""
"""A gibibyte, twice what a scoring container may have, by processes that are each smaller than the one that serves: the
kernel ends the largest."""


def _run_out_of_memory(stack: Stack) -> None:
    pod = _pods(stack, "ml", _SCORING)[0]["metadata"]["name"]
    with suppress(AssertionError):  # what allocates goes with its container
        stack.kubectl("exec", pod, "--namespace=ml", "--", "python3", "-c", _ALLOCATE)

    def ended() -> list[str]:
        statuses = next(each for each in _pods(stack, "ml", _SCORING) if each["metadata"]["name"] == pod)["status"]
        return [each["lastState"].get("terminated", {}).get("reason", "") for each in statuses["containerStatuses"]]

    assert eventually(ended, lambda reasons: reasons == ["OOMKilled"]) == ["OOMKilled"]


def _fill_the_disk(stack: Stack) -> None:
    known = [row.features for row in rows()[:5000]]

    def ask(count: int) -> set[int]:
        # A connection each, so that every pod is met.
        url, body = f"{stack.outputs['scoring_url']}/v1/predict", {"rows": known[:count]}
        return {httpx.post(url, json=body, timeout=15).status_code for _ in range(16)}

    stack.kubectl("scale", "statefulset/object-store", "--namespace=storage", "--replicas=0")
    try:
        # What is left when the largest no longer fit takes the smaller ones.
        for count in (5000, 500, 50):
            assert eventually(partial(ask, count), lambda seen: seen == {503}) == {503}
        time.sleep(QUIET_SECONDS)
    finally:
        back = time.monotonic()
        stack.kubectl("scale", "statefulset/object-store", "--namespace=storage", "--replicas=1")
    # Until then a disk is full again now and then.
    assert eventually(lambda: _handed_over(stack, back), bool, PATIENCE_SECONDS)


def _handed_over(stack: Stack, moment: float) -> bool:
    """Whether no scoring pod keeps anything on its disk that was predicted before this moment."""
    for pod in _pods(stack, "ml", _SCORING):
        url = f"/api/v1/namespaces/ml/pods/{pod['metadata']['name']}:8000/proxy/metrics"
        lag = re.search(r"^scoring_log_lag_seconds\{.*\} (\S+)$", stack.kubectl("get", "--raw", url), re.MULTILINE)
        assert lag
        if float(lag[1]) >= time.monotonic() - moment:
            return False
    return True


FAULTS: Final = (
    Fault(
        "a scoring process is killed",
        "only tries that reach it in the seconds until the node notices fail; sent again, each is answered",
        _kill("scoring"),
        failed_tries=True,
    ),
    Fault(
        "a scoring container takes more memory than it may",
        "the kernel ends it, kubelet starts it anew; tries fail as where it is killed",
        _run_out_of_memory,
        failed_tries=True,
    ),
    Fault("every scoring pod is deleted in turn", "no try fails: a pod drains before it goes", _each_pod),
    Fault("kubelet is killed", "no try fails; it comes back by itself", _kill("kubelet")),
    Fault("containerd is killed", "no try fails; containers run on without it", _kill("containerd")),
    Fault("the API server is killed", "no try fails; what runs does not need it", _kill("kube-apiserver")),
    Fault("etcd hangs for 10 s", "no try fails", _freeze("etcd", 10)),
    Fault(
        "the object store is away for 20 s",
        "no try fails: predictions are on the pod's disk, and are handed over after",
        _stop("statefulset/object-store", namespace="storage", seconds=20),
    ),
    Fault("the object store hangs for 15 s", "no try fails", _freeze("versitygw", 15)),
    Fault(
        "the pods' disks are full, the object store being away",
        "503 for what cannot be kept, until the store is back; what was kept is handed over",
        _fill_the_disk,
        failed_tries=True,
        failed_requests=True,
    ),
    Fault(
        "Prometheus and Alertmanager are away for 10 s",
        "no try fails",
        _stop("statefulset/prometheus", "statefulset/alertmanager", namespace="monitoring", seconds=10),
    ),
    Fault("every service is rolled out anew", "no try fails", _roll_everything),
)


def _pods(stack: Stack, namespace: str, selector: str = "") -> list[dict[str, Any]]:
    found = stack.kubectl("get", "pods", f"--namespace={namespace}", f"--selector={selector}", "--output=json")
    items: list[dict[str, Any]] = json.loads(found)["items"]
    return items


def _every_pod_is_ready(stack: Stack) -> bool:
    """Whether all that should run does and nothing else; pods of Jobs have ended."""
    for namespace in ("ml", "storage", "monitoring"):
        for pod in _pods(stack, namespace):
            if pod["status"]["phase"] == "Succeeded":
                continue
            conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
            if conditions.get("Ready") != "True" or "deletionTimestamp" in pod["metadata"]:
                return False
    return True


def _is_steady(stack: Stack, load: Steady) -> bool:
    recent = load.since(time.monotonic() - QUIET_SECONDS)
    if not recent or any(request.errors for request in recent):
        return False
    try:
        return _every_pod_is_ready(stack)
    except AssertionError:  # kubectl was refused: its server is away
        return False


def _cause(fault: Fault, stack: Stack, load: Steady) -> Figures:
    began = time.monotonic()
    fault.cause(stack)
    time.sleep(QUIET_SECONDS)
    assert eventually(lambda: _is_steady(stack, load), bool, PATIENCE_SECONDS), (
        f"{fault.name}: not steady after {PATIENCE_SECONDS:.0f} s"
    )
    seen = load.since(began)
    given_up = {request.errors[-1] for request in seen if request.prediction_id is None}
    assert given_up <= {"503"}, (fault.name, given_up)
    answered = [request.seconds for request in seen if request.prediction_id]
    return Figures(
        fault.name,
        fault.promise,
        len(seen),
        sum(len(request.errors) for request in seen),
        len(seen) - len(answered),
        round(max(answered), 2),
        round(time.monotonic() - began - QUIET_SECONDS, 1),
    )


@pytest.fixture
def on_disk_first(stack: Stack) -> Iterator[None]:
    """Scoring acknowledges what is on its disk, as `prediction_log.durability: sync` has it, for the time of a test."""
    scoring = f"deployment/scoring-{MODEL}"

    def mode(name: str, disk_mib: int) -> None:
        settings = (f"SCORING_LOG_MODE={name}", f"SCORING_LOG_MAX_DISK_MIB={disk_mib}")
        stack.kubectl("set", "env", scoring, "--namespace=ml", *settings)
        stack.kubectl("rollout", "status", scoring, "--namespace=ml", "--timeout=150s")

    mode("sync", DISK_MIB)
    yield
    mode("async", PredictionLogConfig().disk_size_mib)


def _stored(store: ObjectStore) -> Counter[str]:
    """How often each prediction is in the store, parts left out that a merged one stands for."""
    found: Counter[str] = Counter()
    for key in current_parts(store, [part.key for part in store.list(f"{MODEL}/predictions")]):
        with store.open_ranges(key) as file:
            found.update(pq.read_table(file, columns=["prediction_id"], partitioning=None)[0].to_pylist())
    return found


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("on_disk_first")
def test_faults_cost_what_is_promised_and_lose_nothing(stack: Stack) -> None:
    """One after the other under steady load, each until things are steady again; then the log is counted."""
    sent = [row.features for row in rows()[:2000]]
    with Steady(stack.outputs["scoring_url"], sent) as load:
        assert eventually(lambda: _is_steady(stack, load), bool, PATIENCE_SECONDS)
        figures = [_cause(fault, stack, load) for fault in FAULTS]
    acknowledged = {request.prediction_id for request in load.requests if request.prediction_id}
    store = ObjectStore(stack.bucket("predictions"))

    def lost() -> int:
        return len(acknowledged - set(_stored(store)))

    left = eventually(lost, lambda count: count == 0, 120)
    doubled = sum(1 for prediction_id, count in _stored(store).items() if count > 1 and prediction_id in acknowledged)
    FIGURES.parent.mkdir(exist_ok=True)
    summary = {"acknowledged": len(acknowledged), "lost": left, "doubled": doubled}
    load_facts = {"per_second": PER_SECOND, "clients": CLIENTS, "tries": TRIES}
    faults = [asdict(each) for each in figures]
    document = {"at": f"{datetime.now(UTC):%Y-%m-%d}", **load_facts, **summary, "faults": faults}
    FIGURES.write_text(json.dumps(document, indent=2), encoding="utf-8")
    print(json.dumps(document, indent=2))  # noqa: T201 - shown with -s, and where an assertion fails
    assert (left, doubled) == (0, 0)
    for fault, each in zip(FAULTS, figures, strict=True):
        assert fault.failed_requests or each.failed_requests == 0, each
        assert fault.failed_tries or each.failed_tries == 0, each
