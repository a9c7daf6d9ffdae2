"""The steps of a rehearsal, in order; each changes something and says what must hold then."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolchain.doubles.aws import planting
from toolchain.doubles.aws.account import Record
from toolchain.doubles.aws.references import BUCKET, KEY, OBJECT, POD_IDENTITY, REPOSITORY, ROLE
from toolchain.doubles.kubernetes.objects import KubernetesObject, condition, dig
from toolchain.progress import step
from toolchain.rehearsal import burst
from toolchain.rehearsal.cluster import RehearsalCluster
from toolchain.rehearsal.environment import AWS_SECTION, PROJECT, Environment
from toolchain.rehearsal.nodes import GPU, Pools, amount, asked, describe, pool_of, total
from toolchain.rehearsal.operation import Operation
from toolchain.rehearsal.report import Report, StepFailedError

_GPU_LIMIT = 4
_GPU_PODS = 6
_CPU_PODS = 2
_SCALE_OUT_CORES = 2
_REPLICAS_MAX = 100
_NODES_SECONDS = 90.0
_LOOK_SECONDS = 0.5
_CONSOLIDATE_AFTER = "5s"
_MODELS = f"{PROJECT}:models"
_SCORING = f"{PROJECT}:scoring"
_GPU_ON = {AWS_SECTION: {"node_pools": {"gpu": {"enabled": True, "gpu_limit": _GPU_LIMIT}}}}
_UNPROTECTED = {AWS_SECTION: {"protect": False, "cluster": {"deletion_protection": False}}}
_NAMESPACES_OF_KUBERNETES = {"default", "kube-node-lease", "kube-public", "kube-system"}


@dataclass
class Stage:
    """What the steps act on.

    Attributes:
        environment: the stack.
        cluster: what it runs on.
        report: where they say what they see.
        consolidate_after: what the stack's GPU pool waits before an empty node goes, while the rehearsal shortens it.
    """

    environment: Environment
    cluster: RehearsalCluster
    report: Report
    consolidate_after: str = field(default="", init=False)

    def up(self, changes: Mapping[str, Any] | None = None) -> Operation:
        """An `up` that must go well."""
        with step("pulumi up", 60):
            operation = self.environment.up(changes)
        return self._well(operation)

    def destroy(self) -> Operation:
        """A `destroy` that must go well."""
        with step("pulumi destroy", 60):
            operation = self.environment.destroy()
        return self._well(operation)

    def nodes(self, *, gpu: bool) -> list[KubernetesObject]:
        """The nodes with GPUs, or those without."""
        return [node for node in self.cluster.list("v1", "Node") if bool(total([node], GPU)) is gpu]

    def check_pools(self) -> None:
        """Every node must be what its pool allows, and no pool may be above its limit."""
        pools = Pools.of(self.cluster.list("karpenter.sh/v1", "NodePool"))
        _must(not (found := pools.breaches(self.cluster.list("v1", "Node"))), "; ".join(found))

    def wait(self, what: str, holds: Callable[[], bool], seconds: float = _NODES_SECONDS) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        with step(what, seconds / 3):
            while not holds():
                trouble = self.cluster.controllers.trouble
                _must(time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}{trouble and f' ({trouble})'}")
                time.sleep(_LOOK_SECONDS)

    def _well(self, operation: Operation) -> Operation:
        text = "; ".join(operation.errors) or f"see {self.environment.log}"
        _must(operation.code == 0, f"Pulumi ended with {operation.code}: {text}")
        return operation


def comes_up(stage: Stage) -> None:
    """An `up` from nothing."""
    made = stage.up().made
    in_account = [name for token, name in made if token.startswith("aws:")]
    in_cluster = [name for token, name in made if token.startswith("kubernetes:")]
    stage.report.say(f"made {len(in_account)} resources in the account, {len(in_cluster)} objects in the cluster")
    stage.check_pools()
    _must(not stage.nodes(gpu=True), "there is a GPU node, and no pod asks for one")
    for text in _counted(map(describe, stage.nodes(gpu=False))):
        stage.report.say(f"nodes for the stack's pods: {text}")
    _must(not (strays := _strays(stage)), f"not in the state: {', '.join(strays)}")
    _use(stage)


def changes_nothing(stage: Stage) -> None:
    """A second `up`, which also looks at everything there is."""
    with step("pulumi up --refresh", 60):
        operation = stage.environment.up(refresh=True)
    _must(operation.code == 0, "; ".join(operation.errors))
    _must(not operation.done, f"it changed {', '.join(sorted(name for _, _, name in operation.done))}")
    stage.report.say("nothing is different from what the state says, and nothing was changed")


def gpu_nodes_come(stage: Stage) -> None:
    """With the GPU pool: pods without a GPU get other nodes, those with one get GPU nodes up to the limit."""
    made = stage.up(_GPU_ON)
    stage.report.say(f"turned the GPU pool on, limit {_GPU_LIMIT}: {_changes(made)}")
    stage.cluster.apply(burst.namespace())
    stage.cluster.apply(burst.cpu_deployment(_CPU_PODS))
    stage.wait(f"{_CPU_PODS} pods without a GPU run", lambda: _running(stage, "cpu") == _CPU_PODS)
    _must(not stage.nodes(gpu=True), "a pod that asks for no GPU got a GPU node")
    stage.report.say(f"{_CPU_PODS} pods that ask for no GPU: no GPU node")
    stage.cluster.apply(burst.gpu_job(_GPU_PODS))
    stage.wait(f"{_GPU_LIMIT} of {_GPU_PODS} GPU pods run", lambda: _running(stage, "gpu") == _GPU_LIMIT)
    # Karpenter has looked at the others and says why they stay: this is the end, and not a moment on the way.
    stage.wait("Karpenter tells the others that the limit is reached", lambda: _is_told_of_the_limit(stage))
    nodes = stage.nodes(gpu=True)
    gpus = total(nodes, GPU)
    _must(gpus == _GPU_LIMIT, f"the GPU nodes have {gpus:f} GPUs, the limit is {_GPU_LIMIT}")
    stage.check_pools()
    stage.report.say(f"{_GPU_PODS} pods with a GPU each: {', '.join(_counted(map(describe, nodes)))}; no further")


def gpu_nodes_go(stage: Stage) -> None:
    """The jobs end, and with them the GPU nodes."""
    pool = next(each for each in stage.cluster.list("karpenter.sh/v1", "NodePool") if each["metadata"]["name"] == "gpu")
    own = str(dig(pool, "spec", "disruption", "consolidateAfter"))
    _set_consolidation(stage, _CONSOLIDATE_AFTER)
    stage.report.say(
        f"the pool keeps an empty node for {own}; the rehearsal cuts that to {_CONSOLIDATE_AFTER} meanwhile"
    )
    stage.cluster.delete("apps/v1", "Deployment", "cpu", burst.NAMESPACE)
    stage.wait(f"{_GPU_PODS} GPU pods end", lambda: _ended(stage))
    stage.wait("no GPU node is left", lambda: not stage.nodes(gpu=True), 2 * _NODES_SECONDS)
    _set_consolidation(stage, own)
    stage.report.say("all GPU pods ended; no GPU node is left")
    stage.cluster.delete("v1", "Namespace", burst.NAMESPACE)


def scoring_scales_out(stage: Stage) -> None:
    """More replicas than fit on the nodes there are; at the same time the GPU pool is turned off again."""
    request = dig(_scoring(stage), "spec", "template", "spec", "containers", 0, "resources", "requests", "cpu")
    own = stage.environment.config.get(_SCORING, {})
    before = int(dig(_scoring(stage), "spec", "replicas"))
    nodes = stage.nodes(gpu=False)
    free = total(nodes, "cpu") - asked(stage.cluster.list("v1", "Pod"), "cpu")
    replicas = min(before + math.ceil((free + _SCALE_OUT_CORES) / amount(request)), _REPLICAS_MAX)
    known = {node["metadata"]["name"] for node in nodes}
    done = stage.up({_SCORING: {**own, "min_replicas": replicas, "max_replicas": _REPLICAS_MAX}})
    stage.report.say(f"scoring from {before} to at least {replicas} pods, GPU pool off: {_changes(done)}")
    # Nothing measures load here; the autoscaler holds its minimum all the same.
    stage.wait(
        f"the autoscaler asks for {replicas} scoring pods and all run",
        lambda: (_scoring(stage).get("status", {}).get("readyReplicas") or 0) >= replicas,
        2 * _NODES_SECONDS,
    )
    fresh = [node for node in stage.nodes(gpu=False) if node["metadata"]["name"] not in known]
    _must(bool(fresh), "no node came for them")
    stage.check_pools()
    _must(not stage.nodes(gpu=True), "a GPU node came for scoring")
    for text in _counted(f"{describe(node)} of pool {pool_of(node)}" for node in fresh):
        stage.report.say(f"new nodes: {text}")


def _scoring(stage: Stage) -> KubernetesObject:
    return stage.cluster.list("apps/v1", "Deployment", labelSelector="app.kubernetes.io/name=scoring")[0]


def a_broken_up_is_finished(stage: Stage) -> None:
    """A further model; AWS loses an answer in the middle of it."""
    models = stage.environment.config[_MODELS]
    changes = {_MODELS: [*models, {**models[0], "name": "rehearsal"}]}
    with step("pulumi up, to be broken", 60):
        broken = stage.environment.up(changes, failure=f"{POD_IDENTITY}:after")
    _must(broken.code != 0, "the injected failure did not break the `up`")
    injected = [error for error in broken.errors if "AWS_DOUBLE_FAIL" in error]
    _must(bool(injected), f"it broke for another reason: {'; '.join(broken.errors)}")
    stage.report.say(f"a second model, and AWS's answer lost at a pod identity: {len(broken.made)} made, then it broke")
    finished = stage.up(changes)
    twice = sorted(name for _, name in broken.made & finished.made)
    _must(not twice, f"created twice: {', '.join(twice)}")
    _must(bool(finished.made), "the second `up` had nothing to finish: the failure came too late to show anything")
    _must(not (strays := _strays(stage)), f"not in the state: {', '.join(strays)}")
    stage.report.say(f"the next `up` made the other {len(finished.made)}; the account and the cluster hold each once")


def goes_away(stage: Stage) -> None:
    """Destroy: refused while protected, then nothing is left but what is meant to be."""
    protected = [resource for resource in stage.environment.deployment().resources if resource.protected]
    if protected:
        held = _holdings(stage)
        with step("pulumi destroy, to be refused", 20):
            refused = stage.environment.destroy()
        _must(refused.code != 0, "the stack is protected, and `destroy` did not refuse")
        _must(_holdings(stage) == held, "`destroy` refused, but something is gone")
        stage.report.say(f"destroy refused: {len(protected)} resources are protected; nothing is gone")
        stage.up(_UNPROTECTED)
        stage.report.say("protect and deletion_protection off, as a person would have to")
    retained = {each.identifier for each in stage.environment.deployment().resources if each.retained}
    stage.destroy()
    left = [record for record in stage.environment.account.look().records if not may_stay(record, retained)]
    _must(not left, f"left in the account: {', '.join(f'{each.token} {each.identifier}' for each in left)}")
    _must(not (objects := _left_in_the_cluster(stage)), f"left in the cluster: {', '.join(objects)}")
    kept = [record.identifier for record in stage.environment.account.look().of(BUCKET)]
    stage.report.say(f"left in the account, as meant: {', '.join(kept) or 'nothing'}; in the cluster: nothing")


STEPS: Sequence[tuple[str, Callable[[Stage], None]]] = (
    ("everything comes up", comes_up),
    ("a second up changes nothing", changes_nothing),
    ("a burst of GPU jobs brings GPU nodes up to the pool's limit, other pods bring none", gpu_nodes_come),
    ("when the jobs end the GPU nodes go, to zero", gpu_nodes_go),
    ("a scoring scale-out brings CPU nodes that the pool allows", scoring_scales_out),
    ("an up that breaks off half-way is finished by the next, nothing is created twice", a_broken_up_is_finished),
    ("destroy leaves nothing but what is meant to be retained", goes_away),
)
"""What each shows, and how."""


def _must(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise StepFailedError(otherwise)


def _counted(texts: Iterable[str]) -> list[str]:
    found = list(texts)
    return [f"{found.count(text)} x {text}" for text in sorted(set(found))]


def _changes(operation: Operation) -> str:
    parts = [
        f"{word} {', '.join(sorted(name for _, name in names))}"
        for word, names in (("made", operation.made), ("deleted", operation.gone))
        if names
    ]
    return "; ".join(parts) or "nothing made, nothing deleted"


def _pods(stage: Stage, which: str) -> list[KubernetesObject]:
    return stage.cluster.list("v1", "Pod", labelSelector=f"rehearsal/burst={which}")


def _running(stage: Stage, which: str) -> int:
    return sum(dig(pod, "status", "phase") == "Running" for pod in _pods(stage, which))


def _is_told_of_the_limit(stage: Stage) -> bool:
    waiting = {dig(pod, "metadata", "uid") for pod in _pods(stage, "gpu") if dig(pod, "status", "phase") == "Pending"}
    events = stage.cluster.list("v1", "Event", fieldSelector="reason=FailedScheduling")
    told = {
        dig(event, "involvedObject", "uid")
        for event in events
        if "exceed limits for nodepool" in event.get("message", "")
    }
    return len(waiting) == _GPU_PODS - _GPU_LIMIT and waiting <= told


def _ended(stage: Stage) -> bool:
    for pod in _pods(stage, "gpu"):
        if dig(pod, "metadata", "annotations", burst.RUNS) != "told":
            stage.cluster.apply(burst.told(pod))
    jobs = [
        job for job in stage.cluster.list("batch/v1", "Job") if dig(job, "metadata", "namespace") == burst.NAMESPACE
    ]
    return all(condition(job, "Complete").get("status") == "True" for job in jobs)


def _set_consolidation(stage: Stage, after: str) -> None:
    body = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "gpu"}}
    stage.cluster.apply({**body, "spec": {"disruption": {"consolidateAfter": after}}})


def _use(stage: Stage) -> None:
    """Put an object into every bucket and an image into every repository, as use would.

    A stack that was never used is too easy to take away.
    """
    with stage.environment.account.change() as holdings:
        for kind, place in (("object", BUCKET), ("image", REPOSITORY)):
            for record in holdings.of(place):
                planting.plant(holdings, kind, record.identifier, "rehearsal")
    stage.report.say("put an object into every bucket and an image into every repository")


def _strays(stage: Stage) -> list[str]:
    """What is in the account or the cluster as if of the stack, and is not in its state."""
    resources = stage.environment.deployment().resources
    known = {(each.token, each.identifier) for each in resources}
    account = [
        f"{record.token} {record.identifier}"
        for record in stage.environment.account.look().records
        if record.urn and (record.token, record.identifier) not in known
    ]
    return [*account, *_stray_objects(stage, resources)]


def _stray_objects(stage: Stage, resources: Sequence[Any]) -> list[str]:
    found = []
    ours = [each for each in resources if each.token.startswith("kubernetes:")]
    for api_version, kind in sorted({(str(each.outputs["apiVersion"]), str(each.outputs["kind"])) for each in ours}):
        names = {each.identifier for each in ours if each.outputs["kind"] == kind}
        for live in stage.cluster.list(api_version, kind, labelSelector="app.kubernetes.io/managed-by=pulumi"):
            namespace, name = live["metadata"].get("namespace"), live["metadata"]["name"]
            identifier = f"{namespace}/{name}" if namespace else name
            if identifier not in names and not live["metadata"].get("ownerReferences"):
                found.append(f"{kind} {identifier}")
    return found


def _holdings(stage: Stage) -> set[tuple[str, str]]:
    return {(record.token, record.identifier) for record in stage.environment.account.look().records}


def may_stay(record: Record, retained: set[str]) -> bool:
    """Whether it is retained, lies in what is, or was there before."""
    in_retained = record.token == OBJECT and record.inputs.get("bucket") in retained
    return record.identifier in retained or in_retained or (record.token in (KEY, ROLE) and not record.urn)


def _left_in_the_cluster(stage: Stage) -> list[str]:
    cluster = stage.cluster
    found = [
        f"Namespace {each['metadata']['name']}"
        for each in cluster.list("v1", "Namespace", labelSelector="app.kubernetes.io/managed-by!=eks")
        if each["metadata"]["name"] not in _NAMESPACES_OF_KUBERNETES
    ]
    for api_version, kind in (
        ("v1", "Node"),
        ("v1", "PersistentVolume"),
        ("karpenter.sh/v1", "NodePool"),
        ("karpenter.sh/v1", "NodeClaim"),
        ("eks.amazonaws.com/v1", "NodeClass"),
        ("storage.k8s.io/v1", "StorageClass"),
    ):
        found += [f"{kind} {each['metadata']['name']}" for each in cluster.list(api_version, kind)]
    return found
