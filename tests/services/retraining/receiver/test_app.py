"""The receiver over HTTP: who may ask, what is answered, counted and listed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import obstore
import pytest
from fastapi.testclient import TestClient
from lifecycle.registry import ModelRegistry
from lifecycle.rollouts import Rollouts, RolloutStep
from lifecycle.store import ObjectStore
from obstore.store import MemoryStore
from prometheus_client.parser import text_string_to_metric_families
from retraining.receiver.app import RolloutLooks, create_app
from retraining.receiver.receiver import Receiver, Seen
from retraining.receiver.settings import ReceiverSettings
from retraining.rollout.keeper import Keeper
from retraining.rollout.observation import UnobservedError
from retraining.rollout.settings import RolloutSettings
from retraining.rollout.trial import Observed
from retraining.runs import Outcome, RunStore
from tests.services.retraining.receiver.fakes import START, FakeJobs

TOKEN = "s3cret-token"  # noqa: S105 - of this test alone
HEADERS = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def jobs() -> FakeJobs:
    """An empty cluster."""
    return FakeJobs()


@pytest.fixture
def settings(tmp_path: Path) -> ReceiverSettings:
    """A token."""
    (tmp_path / "token").write_text(TOKEN)
    return ReceiverSettings(token_file=tmp_path / "token", refresh_seconds=3600)


@pytest.fixture
def models() -> ObjectStore:
    """The models' store, empty."""
    return ObjectStore(MemoryStore())


@pytest.fixture
def receiver(jobs: FakeJobs, models: ObjectStore) -> Receiver:
    """At a time that stands still."""
    return Receiver(jobs, models, timedelta(hours=1), now=lambda: START + timedelta(minutes=1))


@pytest.fixture
def client(receiver: Receiver, settings: ReceiverSettings) -> Iterator[TestClient]:
    """The application."""
    with TestClient(create_app(receiver, settings), raise_server_exceptions=False) as client:
        yield client


def _webhook(
    model: str = "car-loan", status: str = "firing", alert: str = "FeatureDriftDetected", group: str = "{}"
) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": group,
        "status": status,
        "receiver": "retraining",
        "alerts": [{"status": status, "labels": {"alertname": alert, "model": model}}],
    }


def _samples(client: TestClient, name: str) -> dict[tuple[str, ...], float]:
    """The series of a metric by the values of their labels, in order of the labels' names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == name
    }


def _decisions(client: TestClient) -> dict[tuple[str, ...], float]:
    """The counter, by decision, model and trigger."""
    return _samples(client, "retraining_decisions_total")


def test_an_alert_starts_one_run_and_its_repeat_finds_it_running(client: TestClient, jobs: FakeJobs) -> None:
    """Answered, counted and listed."""
    answers = [client.post("/v1/alerts", json=_webhook(), headers=HEADERS).json()["decisions"] for _ in range(2)]
    assert [answer[0]["decision"] for answer in answers] == ["started", "already_running"]
    assert [job.name for job in jobs.jobs] == ["retraining-car-loan-1"]
    assert _decisions(client) == {("started", "car-loan", "alert"): 1, ("already_running", "car-loan", "alert"): 1}
    listed = client.get("/v1/runs", headers=HEADERS).json()
    assert [(run["job"], run["state"]) for run in listed["runs"]] == [("retraining-car-loan-1", "running")]
    assert [entry["decision"] for entry in listed["decisions"]] == ["already_running", "started"]
    assert "FeatureDriftDetected" in listed["runs"][0]["asked_for"]


def test_fifty_at_once_and_fifty_of_interleaved_groups_make_one_job_a_model(client: TestClient, jobs: FakeJobs) -> None:
    """Whoever asks, and however the threads fall."""

    def post(number: int) -> int:
        body = _webhook(("car-loan", "other")[number % 2], group=f"group-{number % 5 if number < 50 else number}")
        return client.post("/v1/alerts", json=body, headers=HEADERS).status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(post, range(100))) == {200}
    assert sorted(job.name for job in jobs.jobs) == ["retraining-car-loan-1", "retraining-other-1"]
    assert sum(_decisions(client).values()) == 100


def test_a_job_that_another_receiver_made_first_is_no_second_one(
    client: TestClient, jobs: FakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that look at the same moment come to the same name."""
    monkeypatch.setattr(jobs, "of", lambda _: [])
    answers = [client.post("/v1/alerts", json=_webhook(), headers=HEADERS).json()["decisions"][0] for _ in range(2)]
    assert [answer["decision"] for answer in answers] == ["started", "already_running"]
    assert len(jobs.jobs) == 1


def test_after_a_run_alerts_wait_and_a_person_does_not(client: TestClient, jobs: FakeJobs) -> None:
    """The calendar waits as well."""
    client.post("/v1/alerts", json=_webhook(), headers=HEADERS)
    jobs.end()
    (answer,) = client.post("/v1/alerts", json=_webhook(), headers=HEADERS).json()["decisions"]
    assert answer["decision"] == "cooling_down"
    calendar = client.post("/v1/retrain", json={"model": "car-loan", "trigger": "calendar"}, headers=HEADERS)
    assert (calendar.status_code, calendar.json()["decision"]) == (409, "cooling_down")
    person = client.post("/v1/retrain", json={"model": "car-loan"}, headers=HEADERS)
    assert (person.status_code, person.json()["job"]) == (202, "retraining-car-loan-2")


@pytest.mark.parametrize(
    ("body", "decision", "reason"),
    [
        (_webhook(status="resolved"), "ignored", "is resolved"),
        (_webhook(alert="ScoringDown"), "ignored", "ScoringDown triggers no retraining"),
        (_webhook(model="nobody"), "refused", "the models are car-loan, other"),
    ],
    ids=["resolved", "another-alert", "unknown-model"],
)
def test_what_asks_for_nothing_makes_no_job(
    client: TestClient, jobs: FakeJobs, body: dict[str, Any], decision: str, reason: str
) -> None:
    """It is answered with 200, or Alertmanager would send it again, and listed with its reason."""
    answer = client.post("/v1/alerts", json=body, headers=HEADERS)
    assert answer.status_code == 200
    (found,) = answer.json()["decisions"]
    assert found["decision"] == decision
    assert reason in found["reason"]
    assert jobs.jobs == []
    (listed,) = client.get("/v1/runs", headers=HEADERS).json()["decisions"]
    assert listed["reason"] == found["reason"]


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({}, b"{}", 401, "unauthorized"),
        ({"authorization": "Bearer wrong"}, b"{}", 401, "unauthorized"),
        ({"authorization": f"Basic {TOKEN}"}, b"{}", 401, "unauthorized"),
        ({"authorization": "Bearer "}, b"{}", 401, "unauthorized"),
        ({"authorization": "Bearer ü".encode()}, b"{}", 401, "unauthorized"),
        (HEADERS, b"not json", 422, "wrong_shape"),
        (HEADERS, b'{"version": "3"}', 422, "wrong_shape"),
        (
            HEADERS,
            b'{"version": "4", "groupKey": "a", "alerts": [{"status": "odd", "labels": {}}]}',
            422,
            "wrong_shape",
        ),
        (HEADERS, b" " * (1024 * 1024 + 1), 413, "body_too_large"),
    ],
    ids=["unsigned", "wrong-token", "wrong-scheme", "empty", "not-ascii", "no-json", "version", "status", "large"],
)
def test_a_webhook_that_is_unsigned_or_of_the_wrong_shape_is_refused_counted_and_listed(
    client: TestClient, jobs: FakeJobs, headers: dict[str, Any], body: bytes, status: int, code: str
) -> None:
    """With its cause in the answer, and without the token or the body in it."""
    answer = client.post("/v1/alerts", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert TOKEN not in answer.text
    assert _decisions(client) == {("refused", "", "alert"): 1}
    (listed,) = client.get("/v1/runs", headers=HEADERS).json()["decisions"]
    assert listed["reason"].startswith(f"{code}: ")
    assert jobs.jobs == []


def test_the_list_of_runs_is_for_those_who_may_ask(client: TestClient) -> None:
    """It names models and Jobs."""
    assert client.get("/v1/runs").status_code == 401
    assert client.get("/openapi.json").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "nobody"}, 404),
        ({"model": "Not a name"}, 422),
        ({}, 422),
        ({"model": "car-loan", "force": True}, 422),
        ({"model": "car-loan", "trigger": "alert"}, 422),
        ({"model": "car-loan", "since": "yesterday"}, 422),
    ],
)
def test_a_wish_of_the_wrong_shape_or_for_an_unknown_model_is_refused(
    client: TestClient, jobs: FakeJobs, body: dict[str, Any], status: int
) -> None:
    """No Job is made."""
    assert client.post("/v1/retrain", json=body, headers=HEADERS).status_code == status
    assert jobs.jobs == []


def test_a_model_whose_template_goes_meanwhile_is_refused_by_name(
    client: TestClient, jobs: FakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CronJob that is missing is named."""
    monkeypatch.setattr(jobs, "models", lambda: ["gone"])
    answer = client.post("/v1/retrain", json={"model": "gone"}, headers=HEADERS)
    assert (answer.status_code, answer.json()["reason"]) == (404, "no CronJob retraining-gone")


def test_a_cluster_that_does_not_answer_is_told_so_that_alertmanager_comes_again(
    client: TestClient, jobs: FakeJobs
) -> None:
    """503, and nothing of the error's text."""
    jobs.error = httpx2.ConnectError("https://10.0.0.1 refused")
    answer = client.post("/v1/alerts", json=_webhook(), headers=HEADERS)
    assert answer.status_code == 503
    assert "10.0.0.1" not in answer.text
    assert client.get("/v1/runs", headers=HEADERS).status_code == 503


def test_the_token_may_change_while_the_process_runs(
    client: TestClient, settings: ReceiverSettings, jobs: FakeJobs
) -> None:
    """The kubelet writes the new one into the same file."""
    settings.token_file.write_text("another\n")
    assert client.post("/v1/alerts", json=_webhook(), headers=HEADERS).status_code == 401
    headers = {"authorization": "Bearer another"}
    assert client.post("/v1/alerts", json=_webhook(), headers=headers).status_code == 200
    settings.token_file.write_text("")
    assert client.post("/v1/alerts", json=_webhook(), headers={"authorization": "Bearer "}).status_code == 401
    assert len(jobs.jobs) == 1


def test_runs_are_counted_by_their_outcome_and_lost_ones_as_failed(
    client: TestClient, receiver: Receiver, jobs: FakeJobs, models: ObjectStore
) -> None:
    """A Job that was killed wrote none."""
    for failed in (False, True):
        client.post("/v1/retrain", json={"model": "car-loan"}, headers=HEADERS)
        jobs.end(failed=failed, at=START + timedelta(seconds=30))
    RunStore(models, "car-loan").finish(
        Outcome(
            run="uid-retraining-car-loan-1",
            job="retraining-car-loan-1",
            model="car-loan",
            trigger="person",
            result="refused",
            cause="no_labels",
            message="none",
            started_at=START,
            finished_at=START + timedelta(seconds=20),
        )
    )
    receiver.look()
    ended = _samples(client, "retraining_runs_total")
    assert ended == {
        (model, outcome): int(model == "car-loan" and outcome in {"refused", "failed"})
        for model in ("car-loan", "other")
        for outcome in ("promoted", "rolling_out", "refused", "failed")
    }
    last = _samples(client, "retraining_last_run_timestamp_seconds")
    assert last == {
        ("car-loan", "refused"): (START + timedelta(seconds=20)).timestamp(),
        ("car-loan", "failed"): (START + timedelta(seconds=30)).timestamp(),
    }
    assert _samples(client, "retraining_run_active") == {("car-loan",): 0, ("other",): 0}
    # Kubernetes removes what ended a week ago; a counter that went down would look like a restart.
    jobs.jobs.clear()
    receiver.look()
    assert _samples(client, "retraining_runs_total") == ended
    runs = client.get("/v1/runs", params={"model": "car-loan"}, headers=HEADERS).json()["runs"]
    assert {(run["job"], run["result"], run["cause"]) for run in runs} == {
        ("retraining-car-loan-1", "refused", "no_labels"),
        ("retraining-car-loan-2", "failed", "no_outcome"),
    }


def test_it_is_ready_once_it_has_looked_and_live_before(
    receiver: Receiver, settings: ReceiverSettings, jobs: FakeJobs
) -> None:
    """A cluster that never answered keeps it out of its Service."""
    jobs.error = httpx2.ConnectError("away")
    with TestClient(create_app(receiver, settings)) as client:
        assert (client.get("/live").status_code, client.get("/ready").status_code) == (200, 503)
        jobs.error = None
        receiver.look()
        assert client.get("/ready").status_code == 200


def test_a_record_that_is_none_of_ours_is_told_and_not_served(client: TestClient, models: ObjectStore) -> None:
    """The answer does not hold what was found."""
    obstore.put(models._backend, "car-loan/runs/x/outcome.json", b"{}")
    assert client.get("/v1/runs", headers=HEADERS).status_code == 503


def test_rollouts_are_moved_beside_the_runs_and_told_of(
    receiver: Receiver, settings: ReceiverSettings, models: ObjectStore
) -> None:
    """At every look of a keeper, for the models that have a template; one without a rollout is told nothing of."""

    class Unseen:
        """Nothing can be seen of any trial."""

        def observe(self, model: str, step: RolloutStep, age_seconds: float) -> Observed:
            """See Observer."""
            del model, step, age_seconds
            raise UnobservedError

    rollouts = Rollouts(models, "car-loan")
    registry = ModelRegistry(models, "car-loan")
    registry.promote(1, replacing=None)
    champion = registry.champion()
    assert champion is not None
    rollouts.begin(2, "canary", champion, actor="test", reason="test")
    keeper = Keeper(models, RolloutSettings(canary_shares=(0.05, 0.5)), Unseen())
    receiver.seen = {"car-loan": Seen((), {}, None, ()), "churn": Seen((), {}, None, ())}
    keeper.look(receiver.seen)
    with TestClient(create_app(receiver, settings, RolloutLooks(keeper, 3600))) as client:
        text = client.get("/metrics").text
    assert 'retraining_rollout_share{mode="canary",model="car-loan",version="2"} 0.05' in text
    assert 'retraining_rollouts_total{model="car-loan",outcome="taken_back"} 0.0' in text
    rollouts.abort(actor="test", reason="test")
    keeper.look(receiver.seen)
    with TestClient(create_app(receiver, settings, RolloutLooks(keeper, 3600))) as client:
        text = client.get("/metrics").text
    assert "retraining_rollout_share{" not in text
    assert 'retraining_rollouts_total{model="car-loan",outcome="aborted"} 1.0' in text
    assert 'retraining_last_rollout_timestamp_seconds{model="car-loan",outcome="aborted"}' in text
    assert 'model="churn",outcome="aborted"' not in text
