"""How objects go, and what is said while they do."""

import pytest

from toolchain.doubles.errors import RefusedError
from toolchain.doubles.kubernetes.deletion import holders, propagation


def _object(api_version: str, kind: str, policy: str | None = None) -> dict[str, object]:
    annotations = {} if policy is None else {"pulumi.com/deletionPropagationPolicy": policy}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "it", "annotations": annotations}}


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (_object("apps/v1", "Deployment"), "Foreground"),
        (_object("batch/v1", "Job"), "Foreground"),
        (_object("v1", "ConfigMap"), "Background"),
        (_object("karpenter.sh/v1", "NodePool"), "Foreground"),
        (_object("apps/v1", "Deployment", "orphan"), "Orphan"),
        (_object("v1", "ConfigMap", "Foreground"), "Foreground"),
    ],
)
def test_pods_go_before_their_owner_unless_the_annotation_says_otherwise(
    recorded: dict[str, object], expected: str
) -> None:
    """What they hold can only go after them."""
    assert propagation(recorded) == expected


def test_an_unknown_policy_is_refused() -> None:
    """With those there are."""
    with pytest.raises(RefusedError, match=r"'sideways'.*background, foreground, orphan"):
        propagation(_object("v1", "ConfigMap", "sideways"))


def test_what_holds_a_namespace_is_told() -> None:
    """In the words of its conditions, and only those that hold."""
    live = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {},
        "status": {
            "conditions": [
                {"type": "NamespaceContentRemaining", "status": "True", "message": "pods. has 2 resource instances"},
                {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "all content deleted"},
            ]
        },
    }
    assert holders(live) == ": pods. has 2 resource instances"


def test_what_holds_any_object_are_its_finalizers() -> None:
    """Somebody else has to take them off."""
    live = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"finalizers": ["kubernetes.io/pvc-protection"]},
    }
    assert holders(live) == ": finalizers: kubernetes.io/pvc-protection"
