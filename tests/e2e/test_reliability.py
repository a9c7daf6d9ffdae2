"""What breaks on the running stack under steady load, what it costs, and that nothing acknowledged is lost.

The figures of a run go to build/reliability.json; `make reliability` makes docs/reliability.md of them.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import psutil
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from lifecycle.prediction_log import MERGED_PREFIX, merged_sources
from lifecycle.store import ObjectStore

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
        failed_tries: whether tries may fail at all; requests, which are sent again, never do.
    """

    name: str
    promise: str
    cause: Callable[[Stack], None]
    failed_tries: bool = False


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
    for pod in _pods(stack, "ml", f"app.kubernetes.io/instance={MODEL},app.kubernetes.io/name=scoring"):
        # The autoscaler, too, takes pods away.
        stack.kubectl("delete", "pod", pod["metadata"]["name"], "--namespace=ml", "--wait", "--ignore-not-found")
        stack.kubectl("rollout", "status", f"deployment/scoring-{MODEL}", "--namespace=ml", "--timeout=120s")


def _roll_everything(stack: Stack) -> None:
    for namespace, workload in _EVERYTHING:
        stack.kubectl("rollout", "restart", workload, f"--namespace={namespace}")
    for namespace, workload in _EVERYTHING:
        stack.kubectl("rollout", "status", workload, f"--namespace={namespace}", "--timeout=150s")


FAULTS: Final = (
    Fault(
        "a scoring process is killed",
        "only tries that reach it in the seconds until the node notices fail; sent again, each is answered",
        _kill("scoring"),
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

    def mode(name: str) -> None:
        stack.kubectl("set", "env", scoring, "--namespace=ml", f"SCORING_LOG_MODE={name}")
        stack.kubectl("rollout", "status", scoring, "--namespace=ml", "--timeout=150s")

    mode("sync")
    yield
    mode("async")


def _stored(store: ObjectStore) -> Counter[str]:
    """How often each prediction is in the store, parts left out that a merged one stands for."""
    keys = [part.key for part in store.list(f"{MODEL}/predictions")]
    merged = [key for key in keys if key.rsplit("/", 1)[-1].startswith(MERGED_PREFIX)]
    covered = set[str]().union(*(merged_sources(store, key) for key in merged))
    found: Counter[str] = Counter()
    for key in sorted(set(keys) - covered):
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
        assert each.failed_requests == 0, each
        assert fault.failed_tries or each.failed_tries == 0, each
