"""Pods take what they ask for, say how they are, and can do no more than they need."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from infra.policy.model import UNKNOWN, Context, Finding, Json, Resource, Rule
from infra.policy.properties import at, entries, has_unknown, is_not, items

_POD_SPECS: Final[Mapping[str, str]] = {
    "kubernetes:apps/v1:DaemonSet": "spec.template.spec",
    "kubernetes:apps/v1:Deployment": "spec.template.spec",
    "kubernetes:apps/v1:ReplicaSet": "spec.template.spec",
    "kubernetes:apps/v1:StatefulSet": "spec.template.spec",
    "kubernetes:batch/v1:CronJob": "spec.jobTemplate.spec.template.spec",
    "kubernetes:batch/v1:Job": "spec.template.spec",
    "kubernetes:core/v1:Pod": "spec",
}
"""Where the pod stands in what makes pods."""

POD_TYPES: Final = frozenset(_POD_SPECS)
"""Types of the resources that make pods."""

_SERVING_TYPES: Final = frozenset(
    {"kubernetes:apps/v1:DaemonSet", "kubernetes:apps/v1:Deployment", "kubernetes:apps/v1:StatefulSet"}
)
"""Of these, those whose pods are to run for ever; a job's end is its answer."""

_SECCOMP: Final = ("RuntimeDefault", "Localhost")

_HOST_KEYS: Final = ("hostNetwork", "hostPID", "hostIPC")

_LEVEL: Final = "pod-security.kubernetes.io/enforce"

PRIVILEGED_NAMESPACES: Final = frozenset({"gpu"})
"""Where pods may do more than restricted ones: only what is named below, which their own rules still hold them to."""

ADDED_CAPABILITIES: Final[Mapping[tuple[Json, Json], frozenset[str]]] = {
    # How the container runtime knows who may see a node's GPUs without one of its own; not root, it never has it.
    ("gpu", "dcgm-exporter"): frozenset({"SYS_ADMIN"}),
}
"""By namespace and name, what a workload may add to the capabilities of its containers."""


def containers(resource: Resource) -> Iterator[tuple[str, Json]]:
    """Every container of what makes pods, those that run first too, with its path."""
    spec = _POD_SPECS[resource.type]
    yield from entries(resource.properties, f"{spec}.initContainers")
    yield from entries(resource.properties, f"{spec}.containers")


def has_containers(resource: Resource, _: Context) -> Iterator[Finding]:
    """A pod has containers where the other rules look for them."""
    path = f"{_POD_SPECS[resource.type]}.containers"
    found = at(resource.properties, path)
    if found is not UNKNOWN and not items(found):
        yield Finding(path=path, message="no containers", way_out="name at least one")


def bounded(resource: Resource, _: Context) -> Iterator[Finding]:
    """Every container says what it asks of a node and the most it gets."""
    for path, container in containers(resource):
        for key in ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory"):
            if at(container, f"resources.{key}") in (None, ""):
                yield Finding(path=f"{path}.resources.{key}", message="absent", way_out="set it")


def probed(resource: Resource, _: Context) -> Iterator[Finding]:
    """Every container that is to run for ever says whether it lives and whether it is ready."""
    for path, container in entries(resource.properties, f"{_POD_SPECS[resource.type]}.containers"):
        for key in ("livenessProbe", "readinessProbe"):
            if at(container, key) is None:
                yield Finding(path=f"{path}.{key}", message="absent", way_out="say how its health is asked for")


def restricted(resource: Resource, _: Context) -> Iterator[Finding]:
    """A pod is what the `restricted` Pod Security level allows, with a root file system that nobody writes to."""
    spec_path = _POD_SPECS[resource.type]
    spec = at(resource.properties, spec_path)
    for key in _HOST_KEYS:
        if at(spec, key) is True:
            yield Finding(path=f"{spec_path}.{key}", message="shares the node's", way_out="leave it out")
    for path, volume in entries(spec, "volumes"):
        if at(volume, "hostPath") is not None and at(volume, "hostPath") is not UNKNOWN:
            yield Finding(
                path=f"{spec_path}.{path}.hostPath", message="a folder of the node", way_out="use a claim or emptyDir"
            )
    metadata = at(resource.properties, "metadata")
    allowed = ADDED_CAPABILITIES.get((at(metadata, "namespace"), at(metadata, "name")), frozenset())
    for path, container in containers(resource):
        for found in _container(container, at(spec, "securityContext"), allowed):
            yield Finding(path=f"{path}.securityContext.{found.path}", message=found.message, way_out=found.way_out)


def restricted_namespace(resource: Resource, _: Context) -> Iterator[Finding]:
    """A namespace lets in restricted pods alone, whoever makes them."""
    labels = at(resource.properties, "metadata.labels")
    level = labels.get(_LEVEL) if isinstance(labels, Mapping) else labels
    if is_not(level, "restricted") and at(resource.properties, "metadata.name") not in PRIVILEGED_NAMESPACES:
        yield Finding(
            path=f"metadata.labels[{_LEVEL}]", message=f"is {level!r}", way_out="set it to restricted, with a version"
        )


def _container(container: Json, pod: Json, allowed: Collection[str]) -> Iterator[Finding]:
    own = at(container, "securityContext")
    # What a container does not say, its pod says for it.
    if is_not(_inherited(own, pod, "runAsNonRoot"), True):
        yield Finding(path="runAsNonRoot", message="may run as root", way_out="set it to true, here or for the pod")
    if _inherited(own, pod, "runAsUser") == 0:
        yield Finding(path="runAsUser", message="is root", way_out="set another user")
    seccomp = _inherited(own, pod, "seccompProfile.type")
    if seccomp is not UNKNOWN and seccomp not in _SECCOMP:
        yield Finding(path="seccompProfile.type", message=f"is {seccomp!r}", way_out="set it to RuntimeDefault")
    if is_not(at(own, "allowPrivilegeEscalation"), False):
        yield Finding(path="allowPrivilegeEscalation", message="may gain privileges", way_out="set it to false")
    if at(own, "privileged") is True:
        yield Finding(path="privileged", message="has all of the node's rights", way_out="leave it out")
    if is_not(at(own, "readOnlyRootFilesystem"), True):
        yield Finding(path="readOnlyRootFilesystem", message="may change its own files", way_out="set it to true")
    dropped = at(own, "capabilities.drop")
    if not has_unknown(dropped) and "ALL" not in items(dropped):
        yield Finding(path="capabilities.drop", message="keeps capabilities", way_out="drop ALL")
    if added := [name for name in items(at(own, "capabilities.add")) if name not in {"NET_BIND_SERVICE", *allowed}]:
        yield Finding(path="capabilities.add", message=f"adds {', '.join(map(str, added))}", way_out="add none")


def _inherited(own: Json, pod: Json, path: str) -> Json:
    value = at(own, path)
    return at(pod, path) if value is None else value


RULES: Final = (
    Rule(
        name="pods-have-containers",
        description="A pod has containers where the other rules look for them.",
        applies_to=POD_TYPES,
        check=has_containers,
    ),
    Rule(
        name="containers-are-bounded",
        description="Every container says what it asks of a node and the most it gets.",
        applies_to=POD_TYPES,
        check=bounded,
    ),
    Rule(
        name="containers-are-probed",
        description="Every container that is to run for ever says whether it lives and whether it is ready.",
        applies_to=_SERVING_TYPES,
        check=probed,
    ),
    Rule(
        name="pods-are-restricted",
        description="A pod keeps to the `restricted` Pod Security level, with a read-only root file system.",
        applies_to=POD_TYPES,
        check=restricted,
    ),
    Rule(
        name="namespaces-are-restricted",
        description="A namespace lets in only pods of the `restricted` Pod Security level, but where that is named.",
        applies_to=frozenset({"kubernetes:core/v1:Namespace"}),
        check=restricted_namespace,
    ),
)
