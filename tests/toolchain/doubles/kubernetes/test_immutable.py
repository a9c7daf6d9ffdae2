"""Which changes take a new object."""

import pytest

from toolchain.doubles.changes import Change, ChangeKind, Path
from toolchain.doubles.kubernetes.immutable import marked, marked_by_server
from toolchain.doubles.kubernetes.objects import GroupKind

DEPLOYMENT, JOB = GroupKind("apps", "Deployment"), GroupKind("batch", "Job")
STATEFUL_SET, SERVICE = GroupKind("apps", "StatefulSet"), GroupKind("", "Service")
CLAIM, CONFIG_MAP, SECRET = GroupKind("", "PersistentVolumeClaim"), GroupKind("", "ConfigMap"), GroupKind("", "Secret")


def _change(*path: str | int) -> Change:
    return Change(path, ChangeKind.UPDATE)


@pytest.mark.parametrize(
    ("kind", "path", "replaces"),
    [
        (DEPLOYMENT, ("spec", "selector", "matchLabels", "app"), True),
        (DEPLOYMENT, ("spec", "template", "spec", "containers", 0, "image"), False),
        (DEPLOYMENT, ("metadata", "name"), True),
        (DEPLOYMENT, ("metadata", "namespace"), True),
        (DEPLOYMENT, ("metadata", "labels", "a"), False),
        (STATEFUL_SET, ("spec", "serviceName"), True),
        (STATEFUL_SET, ("spec", "volumeClaimTemplates", 0, "spec", "resources"), True),
        (STATEFUL_SET, ("spec", "replicas"), False),
        (JOB, ("spec", "template", "spec", "containers", 0, "image"), True),
        (JOB, ("spec", "ttlSecondsAfterFinished"), False),
        (SERVICE, ("spec", "clusterIP"), True),
        (SERVICE, ("spec", "type"), False),
        (CLAIM, ("spec", "storageClassName"), True),
        (CLAIM, ("spec", "resources", "requests", "storage"), False),
        (CONFIG_MAP, ("data", "a"), True),
        (SECRET, ("stringData", "a"), True),
        (GroupKind("storage.k8s.io", "StorageClass"), ("parameters", "type"), True),
        (GroupKind("rbac.authorization.k8s.io", "RoleBinding"), ("roleRef", "name"), True),
        (GroupKind("", "Pod"), ("spec", "containers", 0, "image"), False),
        (GroupKind("", "Pod"), ("spec", "containers", 0, "env", 0, "value"), True),
        (GroupKind("karpenter.sh", "NodePool"), ("spec", "limits"), False),
    ],
)
def test_the_table_tells_what_cannot_change_in_place(kind: GroupKind, path: Path, replaces: bool) -> None:  # noqa: FBT001
    """Kind by kind."""
    (change,) = marked([_change(*path)], kind, mutable_kinds=frozenset())
    assert change.replaces is replaces


def test_a_whole_spec_taken_away_takes_what_is_in_it() -> None:
    """A rule is reached from above."""
    (change,) = marked([Change(("spec",), ChangeKind.DELETE)], DEPLOYMENT, mutable_kinds=frozenset())
    assert change.replaces


def test_a_provider_may_let_configuration_change_in_place() -> None:
    """But not the object's name."""
    changes = [_change("data", "a"), _change("metadata", "name")]
    result = marked(changes, CONFIG_MAP, mutable_kinds=frozenset({CONFIG_MAP}))
    assert [change.replaces for change in result] == [False, True]


@pytest.mark.parametrize(
    ("field", "message", "expected"),
    [
        ("spec.template", "Invalid value: core.PodTemplateSpec{}: field is immutable", [False, True]),
        ("spec.containers[0].image", "field is immutable", [True, True]),
        ("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden", [True, True]),
        ("spec.replicas", "Invalid value: -1: must be greater than or equal to 0", [False, False]),
    ],
)
def test_what_the_server_says_is_immutable_takes_a_new_object(field: str, message: str, expected: list[bool]) -> None:
    """As precisely as it says so; what is only wrong does not. A field it derives puts all changes under suspicion."""
    changes = [_change("spec", "replicas"), _change("spec", "template", "metadata")]
    assert [change.replaces for change in marked_by_server(changes, [(field, message)])] == expected
