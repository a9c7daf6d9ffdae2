"""Between a live object and a resource's inputs and outputs."""

import copy
from typing import Any

from toolchain.doubles.kubernetes import projection
from toolchain.doubles.kubernetes.objects import for_server
from toolchain.doubles.properties import UNKNOWN, Secret

INPUTS: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "ml", "labels": {"tier": "one"}},
    "spec": {
        "replicas": 2,
        "template": {"spec": {"containers": [{"name": "main", "image": "web:1", "resources": {"cpu": "0.1"}}]}},
    },
}


def _live() -> dict[str, Any]:
    live = copy.deepcopy(INPUTS)
    live["metadata"] |= {"uid": "u", "resourceVersion": "9", "generation": 3, "managedFields": [{}]}
    live["metadata"]["labels"]["added-by"] = "somebody"
    live["spec"]["strategy"] = {"type": "RollingUpdate"}
    live["spec"]["template"]["spec"]["containers"][0]["resources"] = {"cpu": "100m"}
    live["status"] = {"replicas": 2}
    return live


def test_an_unchanged_object_keeps_its_inputs_as_they_were_written() -> None:
    """Defaults, other people's labels and the server's way to write a quantity are no drift."""
    live = _live()
    applied = copy.deepcopy(live)
    applied["metadata"]["resourceVersion"] = "10"
    applied["status"] = {"replicas": 1}
    assert projection.current_inputs(INPUTS, live, applied) == INPUTS


def test_only_what_drifted_shows() -> None:
    """Beside it, everything stays as it was written."""
    live = _live()
    applied = copy.deepcopy(live)
    live["spec"]["replicas"] = 5
    live["metadata"]["labels"]["tier"] = "theirs"
    expected = copy.deepcopy(INPUTS)
    expected["spec"]["replicas"] = 5
    expected["metadata"]["labels"]["tier"] = "theirs"
    assert projection.current_inputs(INPUTS, live, applied) == expected


def test_a_field_taken_off_the_object_shows_as_gone() -> None:
    """Up then puts it back."""
    live = _live()
    applied = copy.deepcopy(live)
    del live["metadata"]["labels"]["tier"]
    assert projection.current_inputs(INPUTS, live, applied)["metadata"]["labels"] == {}


def test_a_container_added_from_outside_shows_beside_the_programs_own() -> None:
    """Lists of named things are compared by name, wherever the new one stands."""
    live = _live()
    applied = copy.deepcopy(live)
    containers = live["spec"]["template"]["spec"]["containers"]
    containers.insert(0, {"name": "sidecar", "image": "proxy:1"})
    result = projection.current_inputs(INPUTS, live, applied)["spec"]["template"]["spec"]["containers"]
    assert result == [{"name": "sidecar", "image": "proxy:1"}, INPUTS["spec"]["template"]["spec"]["containers"][0]]


def test_an_imported_object_comes_without_what_the_server_wrote() -> None:
    """So that its inputs can be applied again."""
    inputs = projection.imported(_live())
    assert "status" not in inputs
    assert set(inputs["metadata"]) == {"name", "namespace", "labels"}


def test_an_object_that_kubectl_applied_comes_as_it_was_applied() -> None:
    """Defaults are then no business of the program's."""
    live = _live()
    live["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": '{"kind": "Deployment"}'}
    assert projection.imported(live) == {"kind": "Deployment", "metadata": {"name": "web"}}


def test_the_content_of_a_secret_is_secret() -> None:
    """Also where kubectl wrote it down a second time."""
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    live = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "annotations": {applied: '{"data": {}}'}},
        "data": {"password": "eA=="},
        "type": "Opaque",
    }
    outputs = projection.outputs(live, "manager")
    assert outputs["data"] == Secret({"password": "eA=="})
    assert outputs["metadata"]["annotations"][applied] == Secret('{"data": {}}')
    assert outputs["type"] == "Opaque"


def test_a_preview_promises_nothing_that_the_server_makes_up() -> None:
    """A Service's address is another the next time; what the program chose itself is promised."""
    inputs: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80}, {"port": 81, "nodePort": 30080}]},
    }
    answer = copy.deepcopy(inputs)
    answer["metadata"]["uid"] = "u"
    answer["spec"] |= {"clusterIP": "10.0.0.7", "type": "NodePort"}
    answer["spec"]["ports"][0]["nodePort"] = 31234
    outputs = projection.outputs_of_dry_run(answer, inputs)
    assert outputs["metadata"] == {"name": "s"}
    assert outputs["spec"]["clusterIP"] is UNKNOWN
    assert [port["nodePort"] for port in outputs["spec"]["ports"]] == [UNKNOWN, 30080]
    assert outputs["spec"]["type"] == "NodePort"
    assert outputs["status"] is UNKNOWN


def test_what_goes_to_the_server_is_the_objects_own() -> None:
    """Nulls, status and the state's own keys stay; `stringData` goes as data, so that removing a key removes it."""
    body = for_server(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "__fieldManager": "m",
            "status": {},
            "type": None,
            "data": {"a": "YQ=="},
            "stringData": {"b": "b"},
        }
    )
    assert body == {"apiVersion": "v1", "kind": "Secret", "data": {"a": "YQ==", "b": "Yg=="}}
