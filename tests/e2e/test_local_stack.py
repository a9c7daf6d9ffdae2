"""A newcomer's first hour: up, a prediction, nothing to change, away."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import lightgbm as lgb
import numpy as np
import pytest
from lifecycle.manifest import Manifest

from tests.e2e.harness import Stack, copy_checkout, eventually

pytestmark = pytest.mark.e2e

_SAMPLE = Path(__file__).resolve().parents[2] / "models" / "car_loan" / "sample_request.json"


def test_outputs_are_reachable_on_this_machine(stack: Stack) -> None:
    """`make outputs` is one JSON object whose addresses answer on 127.0.0.1."""
    assert httpx.get(f"{stack.outputs['scoring_url']}/ready").status_code == 200
    assert httpx.get(f"{stack.outputs['prometheus_url']}/-/ready").status_code == 200
    assert httpx.get(stack.outputs["object_store_url"]).status_code in {200, 403}
    assert Path(stack.outputs["kubeconfig"]).is_file()


def test_the_served_probability_is_the_boosters(stack: Stack) -> None:
    """What the service answers equals `Booster.predict` of the same row, on the model that lies in the object store."""
    store = stack.bucket("models")
    folder = "car-loan/versions/00000001"
    manifest = Manifest.model_validate_json(bytes(store.get(f"{folder}/manifest.json").bytes()))
    booster = lgb.Booster(model_str=bytes(store.get(f"{folder}/model.txt").bytes()).decode())
    rows = [row.features for row in manifest.parity]
    vectors = np.asarray([manifest.feature_schema.encode(row) for row in rows])
    answer = httpx.post(f"{stack.outputs['scoring_url']}/v1/predict", json={"rows": rows}).raise_for_status().json()
    assert answer["model"] == {"name": "car-loan", "version": 1}
    served = [prediction["probability"] for prediction in answer["predictions"]]
    np.testing.assert_allclose(served, booster.predict(vectors), rtol=0, atol=1e-12)


def test_prometheus_scrapes_every_replica(stack: Stack) -> None:
    """Both scoring pods are targets that answer, and their metrics arrive."""
    query = f"{stack.outputs['prometheus_url']}/api/v1/query"

    def ask(expression: str) -> list[str]:
        found = httpx.get(query, params={"query": expression}).json()["data"]["result"]
        return [sample["value"][1] for sample in found]

    # A pod's first scrape may come before it listens, or before it has its model: the next is 15 s later.
    assert eventually(lambda: ask('up{job="scoring"}'), lambda seen: seen == ["1", "1"]) == ["1", "1"]
    assert eventually(lambda: ask("scoring_model_info"), lambda seen: seen == ["1", "1"]) == ["1", "1"]


def test_an_unchanged_stack_has_nothing_to_do(stack: Stack) -> None:
    """Neither a preview nor a second up reports a change."""
    preview = stack.make("preview")
    assert "unchanged" in preview
    assert not [line for line in preview.splitlines() if re.match(r"\s+[+~-]+ \d+ to ", line)]
    assert not [
        line
        for line in stack.make("up").splitlines()
        if re.match(r"\s+[+~-]+ \d+ (created|updated|deleted|replaced)", line)
    ]


def test_a_changed_image_is_rolled_out_under_constant_requests_and_loses_none(stack: Stack, tmp_path: Path) -> None:
    """One `up` replaces all pods while keep-alive clients keep asking; every single request is answered with 200."""
    body = json.loads(_SAMPLE.read_text(encoding="utf-8"))
    done = threading.Event()

    def ask() -> tuple[int, list[str]]:
        answered, failed = 0, []
        with httpx.Client(base_url=stack.outputs["scoring_url"], timeout=10) as client:
            while not done.wait(0.01):
                try:
                    status = client.post("/v1/predict", json=body).status_code
                    answered += status == 200
                    failed += [] if status == 200 else [str(status)]
                except httpx.HTTPError as error:
                    failed.append(repr(error))
        return answered, failed

    changed = copy_checkout(tmp_path / "changed")
    with (changed / "services" / "scoring" / "__init__.py").open("a", encoding="utf-8") as module:
        module.write("# a changed line\n")
    before = _scoring_pods(stack)
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(ask) for _ in range(4)]
        try:
            stack.make("up", checkout=changed)
            # The last old pods drain for 8 s after the new ones are ready.
            done.wait(12)
        finally:
            done.set()
        results = [client.result() for client in clients]
    after = _scoring_pods(stack)
    assert set(before).isdisjoint(after)
    assert set(before.values()).isdisjoint(after.values())
    assert sum(answered for answered, _ in results) > 100
    assert [error for _, failed in results for error in failed] == []


def _scoring_pods(stack: Stack) -> dict[str, str]:
    """Names of the scoring pods, with the image that each runs."""
    selector = "--selector=app.kubernetes.io/name=scoring"
    pods = json.loads(stack.kubectl("get", "pods", "--namespace=ml", selector, "--output=json"))["items"]
    assert pods
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in pods}


def test_a_cluster_that_one_has_is_used_through_its_context(stack: Stack) -> None:
    """`KUBE_CONTEXT` takes any context: Services are reached by forwarded ports, and the stack moves back after."""
    theirs = {"KUBECONFIG": stack.outputs["kubeconfig"], "KUBE_CONTEXT": "realtime-ml-test"}
    stack.make("up", **theirs)
    found = json.loads(stack.make("outputs", quiet=True, **theirs))
    for name, path in (("scoring_url", "/ready"), ("prometheus_url", "/-/ready")):
        assert found[name].startswith("http://127.0.0.1:")
        assert found[name] != stack.outputs[name]
        assert httpx.get(f"{found[name]}{path}").status_code == 200
    assert json.loads(stack.make("outputs", quiet=True, **theirs)) == found
    stack.make("up")
    assert httpx.get(f"{stack.outputs['scoring_url']}/ready").status_code == 200


def test_the_idle_cluster_takes_at_most_4_gib(stack: Stack) -> None:
    """The node with the stack on it: every process, pods included, by its proportional share of memory."""
    found = re.search(r"up, ([0-9.]+) GiB", stack.make("cluster-status"))
    assert found
    assert float(found.group(1)) <= 4


def test_the_image_of_drift_takes_at_most_1_gb(stack: Stack) -> None:
    """Unpacked, as its pod sees it; NannyML with all that it asks for makes 2.1 GB."""
    said = stack.kubectl("exec", "--namespace=ml", "deployment/drift", "--", "sh", "-c", "du -sxB1 / 2>/dev/null || :")
    assert 400e6 < int(said.split()[0]) <= 1e9


def test_a_retraining_that_hardly_a_label_supports_is_refused_and_no_failure(stack: Stack) -> None:
    """It is told, with the gate that refused, and the champion stays."""
    said = stack.make("retrain", MODEL="car-loan")
    assert "refused" in said
    assert httpx.get(f"{stack.outputs['scoring_url']}/ready").json()["model"]["version"] == 1


def test_destroy_leaves_nothing_and_up_works_after_it(stack: Stack) -> None:
    """After `make destroy` no object of the stack is left in the cluster; after another `make up` it serves again."""
    assert stack.objects()
    stack.make("destroy")
    assert stack.objects() == []
    stack.make("up")
    assert httpx.get(f"{stack.outputs['scoring_url']}/ready").status_code == 200
