"""The receiver against a real API server: with the rights that the stack gives it, and the template that it makes."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from fastapi import FastAPI
from fastapi.testclient import TestClient
from lifecycle.store import ObjectStore
from lightkube import ApiError, Client, KubeConfig
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import CronJob, Job
from lightkube.resources.core_v1 import Pod, Secret
from obstore.store import MemoryStore
from retraining.receiver.app import create_app
from retraining.receiver.jobs import ClusterJobs
from retraining.receiver.receiver import Receiver
from retraining.receiver.settings import ReceiverSettings
from tenacity import retry, stop_after_delay, wait_fixed

from infra.config.alert_receivers import AlertReceivers
from infra.config.retraining import RetrainingConfig
from infra.monitoring.receivers import RETRAINING_TOKEN, receivers
from infra.workloads.retraining import TOKEN_KEY, TOKEN_SECRET
from tests.engine.harness import Kubectl
from tests.infra.harness import configuration, render
from toolchain import retraining, stack
from toolchain.control_plane import ControlPlane, free_ports
from toolchain.install import install

HEADERS = {"authorization": "Bearer token"}
MODELS = ("car-loan", "churn")


@pytest.fixture
def client(kubectl: Kubectl, control_plane: ControlPlane, tmp_path: Path) -> Iterator[Client]:
    """The API server as the receiver's service account sees it, in a namespace that has what the stack makes for it."""
    rendered = render(configuration(models=[{"name": model} for model in MODELS]))
    wanted = [rendered.the(kind, "retraining") for kind in ("ServiceAccount", "Role", "RoleBinding")]
    wanted += rendered.of_type("CronJob")
    wanted += [rendered.the("ServiceAccount", f"retraining-{model}") for model in MODELS]
    for number, resource in enumerate(wanted):
        group = resource.type.split(":")[1]
        version = group.removeprefix("core/")
        document = {"apiVersion": version, "kind": resource.type.rsplit(":", 1)[-1], **resource.inputs}
        text = json.dumps(document, default=str).replace('"namespace": "ml"', f'"namespace": "{kubectl.namespace}"')
        file = tmp_path / f"{number}.json"
        file.write_text(text)
        kubectl("apply", "--validate=strict", f"--filename={file}")
    token = kubectl("create", "token", "retraining").strip()
    cluster = yaml.safe_load(control_plane.kubeconfig.read_text())["clusters"][0]
    document = {
        "clusters": [cluster],
        "users": [{"name": "receiver", "user": {"token": token}}],
        "contexts": [{"name": "receiver", "context": {"cluster": cluster["name"], "user": "receiver"}}],
        "current-context": "receiver",
    }
    with Client(config=KubeConfig.from_dict(document), namespace=kubectl.namespace) as opened:
        yield opened


@pytest.fixture
def new_app(client: Client, kubectl: Kubectl, tmp_path: Path) -> Callable[[], FastAPI]:
    """Makes receivers that know nothing of each other."""
    (tmp_path / "token").write_text("token")
    settings = ReceiverSettings(token_file=tmp_path / "token", namespace=kubectl.namespace, refresh_seconds=3600)

    def make() -> FastAPI:
        jobs = ClusterJobs(client, kubectl.namespace)
        return create_app(Receiver(jobs, ObjectStore(MemoryStore()), timedelta(hours=1)), settings)

    return make


@pytest.fixture
def new_receiver(new_app: Callable[[], FastAPI]) -> Callable[[], TestClient]:
    """The same, to be asked without a port."""
    return lambda: TestClient(new_app())


def _end_with_bad_input(kubectl: Kubectl, job: str) -> None:
    """Plays the node for a Job's pod: its container ends with exit status 2."""
    kubectl("wait", f"job/{job}", "--for=jsonpath={.status.active}=1", "--timeout=30s")
    (pod,) = kubectl.names("pods")
    ended = {"exitCode": 2, "startedAt": None, "finishedAt": None}
    container = {"name": "retrain", "image": "", "imageID": "", "ready": False, "restartCount": 0}
    status = {"phase": "Failed", "containerStatuses": [{**container, "state": {"terminated": ended}}]}
    kubectl("patch", "pod", pod, "--subresource=status", f"--patch={json.dumps({'status': status})}")
    kubectl("wait", f"job/{job}", "--for=condition=Failed", "--timeout=30s")


@contextmanager
def _served(app: FastAPI, port: int) -> Iterator[None]:
    """The application on a port of this machine."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    serving = threading.Thread(target=server.run)
    serving.start()
    try:
        yield
    finally:
        server.should_exit = True
        serving.join()


def _webhook(model: str, group: str) -> dict[str, Any]:
    labels = {"alertname": "FeatureDriftDetected", "model": model}
    return {"version": "4", "groupKey": group, "alerts": [{"status": "firing", "labels": labels}]}


def test_fifty_identical_and_fifty_interleaved_webhooks_make_one_job_a_model(
    new_receiver: Callable[[], TestClient], kubectl: Kubectl
) -> None:
    """Sent at once, to two receivers that do not know of each other."""
    with ExitStack() as opened:
        receivers = [opened.enter_context(new_receiver()) for _ in range(2)]

        def post(number: int) -> list[str]:
            body = (
                _webhook("car-loan", "one-group")
                if number < 50
                else _webhook(MODELS[number % 2], f"group-{number // 2 % 5}")
            )
            answer = receivers[number // 2 % 2].post("/v1/alerts", json=body, headers=HEADERS)
            assert answer.status_code == 200, answer.text
            return [decision["decision"] for decision in answer.json()["decisions"]]

        with ThreadPoolExecutor(16) as pool:
            decisions = [decision for found in pool.map(post, range(100)) for decision in found]
    assert sorted(kubectl.names("jobs")) == ["retraining-car-loan-1", "retraining-churn-1"]
    assert decisions.count("started") == 2
    assert decisions.count("already_running") == 98


def test_a_job_is_its_models_template_with_what_the_run_is_to_know(
    new_receiver: Callable[[], TestClient], kubectl: Kubectl
) -> None:
    """And its pods get the run's name from Kubernetes itself."""
    with new_receiver() as receiver:
        body = {"model": "car-loan", "mode": "dry_run", "since": "2026-01-01T00:00:00Z"}
        assert receiver.post("/v1/retrain", json=body, headers=HEADERS).status_code == 202
        (run,) = receiver.get("/v1/runs", headers=HEADERS).json()["runs"]
    job = kubectl.get("job", "retraining-car-loan-1")
    assert (run["run"], run["state"], run["trigger"]) == (job["metadata"]["uid"], "running", "person")
    container = job["spec"]["template"]["spec"]["containers"][0]
    told = {item["name"]: item.get("value") for item in container["env"]}
    assert (told["RETRAINING_MODE"], told["RETRAINING_TRIGGER"]) == ("dry_run", "person")
    assert told["RETRAINING_SINCE"] == "2026-01-01T00:00:00+00:00"
    assert [item["name"] for item in container["env"]].count("RETRAINING_MODE") == 1
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/controller-uid"] == job["metadata"]["uid"]
    assert labels["batch.kubernetes.io/job-name"] == "retraining-car-loan-1"
    assert job["spec"]["ttlSecondsAfterFinished"] == 7 * 24 * 3600


def test_a_run_that_ended_is_followed_by_a_pause_and_by_another_number(
    new_receiver: Callable[[], TestClient], kubectl: Kubectl
) -> None:
    """A person need not wait. Bad input, exit status 2, is not tried again."""
    with new_receiver() as receiver:
        receiver.post("/v1/alerts", json=_webhook("churn", "a"), headers=HEADERS)
        _end_with_bad_input(kubectl, "retraining-churn-1")
        answer = receiver.post("/v1/alerts", json=_webhook("churn", "a"), headers=HEADERS).json()
        assert [decision["decision"] for decision in answer["decisions"]] == ["cooling_down"]
        person = receiver.post("/v1/retrain", json={"model": "churn"}, headers=HEADERS)
        assert (person.status_code, person.json()["job"]) == (202, "retraining-churn-2")
        runs = receiver.get("/v1/runs", headers=HEADERS).json()["runs"]
    assert {(run["job"], run["state"], run["result"]) for run in runs} == {
        ("retraining-churn-1", "ended", "failed"),
        ("retraining-churn-2", "running", None),
    }


@pytest.mark.parametrize("kind", [Pod, Secret, Deployment])
def test_its_rights_end_at_jobs_and_their_templates(client: Client, kind: type[Pod | Secret | Deployment]) -> None:
    """What is taken over cannot read the namespace's secrets."""
    with pytest.raises(ApiError) as caught:
        list(client.list(kind))
    assert caught.value.status.code == 403


def test_it_can_neither_delete_a_job_nor_change_a_template(
    new_receiver: Callable[[], TestClient], client: Client
) -> None:
    """The champion's own template stays what the stack made it."""
    with new_receiver() as receiver:
        receiver.post("/v1/retrain", json={"model": "churn"}, headers=HEADERS)
    for change in (
        lambda: client.delete(Job, "retraining-churn-1"),
        lambda: client.patch(CronJob, "retraining-churn", {"spec": {"suspend": False}}),
    ):
        with pytest.raises(ApiError) as caught:
            change()
        assert caught.value.status.code == 403


def test_alertmanager_as_the_stack_configures_it_starts_a_run(
    new_app: Callable[[], FastAPI], kubectl: Kubectl, tmp_path: Path
) -> None:
    """The real program, its own webhook, and the token from a file: from a firing alert to a Job."""
    program = install(["alertmanager"])["alertmanager"]
    port, receiver_port = free_ports(2)
    told = receivers(AlertReceivers(), f"http://127.0.0.1:{receiver_port}/v1/alerts", RetrainingConfig().alerts)
    text = json.dumps(told.config).replace(RETRAINING_TOKEN, str(tmp_path / "token"))
    # Nobody waits for ten seconds to learn that more alerts are in the group.
    (tmp_path / "alertmanager.json").write_text(text.replace('"group_wait": "10s"', '"group_wait": "0s"'))
    command = [
        str(program),
        f"--config.file={tmp_path / 'alertmanager.json'}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with _served(new_app(), receiver_port):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as alertmanager:
            try:
                alerts = [
                    {"labels": {"alertname": name, "model": model, "severity": "warning"}}
                    for name, model in (("FeatureDriftDetected", "car-loan"), ("ScoringDown", "churn"))
                ]
                _patiently(lambda: httpx.post(f"http://127.0.0.1:{port}/api/v2/alerts", json=alerts).raise_for_status())
                _patiently(lambda: kubectl("get", "job", "retraining-car-loan-1"))
            finally:
                alertmanager.terminate()
        listed = httpx.get(f"http://127.0.0.1:{receiver_port}/v1/runs", headers=HEADERS).json()
    assert [(run["job"], run["trigger"]) for run in listed["runs"]] == [("retraining-car-loan-1", "alert")]
    assert "FeatureDriftDetected" in listed["runs"][0]["asked_for"]


def test_make_retrain_asks_with_the_clusters_token_and_tells_how_the_run_ended(
    new_app: Callable[[], FastAPI],
    kubectl: Kubectl,
    control_plane: ControlPlane,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It waits for the end, and a run that failed is a failure of the command."""
    everywhere = Kubectl(kubectl.program, kubectl.kubeconfig, "")
    if "ml" not in everywhere.names("namespaces"):  # other tests make it as well
        everywhere("create", "namespace", "ml")
    everywhere("create", "secret", "generic", TOKEN_SECRET, "--namespace=ml", f"--from-literal={TOKEN_KEY}=token")
    (port,) = free_ports(1)
    monkeypatch.setattr(stack, "outputs", lambda _: {"retraining_url": f"http://127.0.0.1:{port}"})
    target = stack.Target("test", control_plane.kubeconfig, {}, None)
    with _served(new_app(), port), ThreadPoolExecutor(1) as pool:
        _patiently(lambda: httpx.get(f"http://127.0.0.1:{port}/live").raise_for_status())
        asked = pool.submit(retraining.retrain, target, "car-loan")
        _patiently(lambda: kubectl("get", "job", "retraining-car-loan-1"))
        _end_with_bad_input(kubectl, "retraining-car-loan-1")
        assert asked.result(timeout=60) is False
    assert "see `kubectl logs job/retraining-car-loan-1`" in capsys.readouterr().err


@retry(stop=stop_after_delay(30), wait=wait_fixed(0.2), reraise=True)
def _patiently(do: Callable[[], object]) -> None:
    do()
