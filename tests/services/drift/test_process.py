"""The service as a process: it answers while it evaluates, and a restart loses nothing."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from drift.metrics import Metrics
from drift.schedule import Schedule
from prometheus_client.parser import text_string_to_metric_families
from tests.services.drift.replay import MODEL, Replay, rows

pytestmark = pytest.mark.engine  # it starts real processes, seconds each

SERVICES = Path(__file__).parents[3] / "services"
_PATIENCE_SECONDS = 120


@dataclass
class Service:
    """A running drift service."""

    process: subprocess.Popen[bytes]
    port: int

    def ask(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        """Status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_SECONDS)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def evaluate(self) -> dict[str, Any]:
        """Has the model evaluated now."""
        status, body = self.ask(f"/v1/evaluate?model={MODEL}", "POST")
        assert status == 200, body
        outcome: dict[str, Any] = json.loads(body)
        return outcome

    def metrics(self) -> dict[tuple[str, str], float]:
        """By name and by the label that tells them apart."""
        families = text_string_to_metric_families(self.ask("/metrics")[1].decode())
        return {
            (
                sample.name,
                "".join(sample.labels.get(label, "") for label in ("condition", "cause", "column")),
            ): sample.value
            for family in families
            for sample in family.samples
        }

    def wait(self, until: Callable[[], object]) -> None:
        """Waits until something holds."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                if until():
                    return
            except OSError:
                assert self.process.poll() is None
            time.sleep(0.02)
        pytest.fail("what was waited for did not come")

    def is_ready(self) -> bool:
        """Whether the store has answered."""
        return self.ask("/ready")[0] == 200

    def kill(self) -> None:
        """As the kernel does when memory is short: the whole pod at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


StartService = Callable[..., Service]


@pytest.fixture
def start(replay: Replay) -> Iterator[StartService]:
    """Starts services on the test's folder, and ends what is left of them."""
    started: list[Service] = []

    def start(**settings: str) -> Service:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DRIFT_", "AWS_"))}
        environment |= {
            "PYTHONPATH": str(SERVICES),
            "MODEL_STORE_URL": f"file://{replay.folder}",
            "PREDICTION_STORE_URL": f"file://{replay.folder}",
            "DRIFT_LISTEN_HOST": "127.0.0.1",
            "DRIFT_LISTEN_PORT": str(port),
            "DRIFT_MODELS": json.dumps([MODEL]),
            "DRIFT_CHUNK_ROWS": "500",
            "DRIFT_INTERVAL_SECONDS": "3600",
            "DRIFT_STORE_PATIENCE_SECONDS": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "drift"],
            env=environment | settings,
            start_new_session=True,
            cwd=replay.folder.parent,
        )
        started.append(Service(process, port))
        return started[-1]

    yield start
    for service in started:
        if service.process.poll() is None:
            service.kill()


def test_the_service_evaluates_tells_and_shows(replay: Replay, start: StartService) -> None:
    """From a log to metrics, JSON and a report; and stops when it is told to."""
    replay.publish(rows(5000))
    table = rows(1000, 1)
    replay.predict(table.set_column(table.column_names.index("feature.age"), "feature.age", pa.array([3.0] * 1000)))
    service = start()
    service.wait(service.is_ready)
    outcome = service.evaluate()  # after the one at the start
    assert (outcome["conditions"], outcome["rows"], outcome["version"]) == (["no_labels"], 0, 1)
    metrics = service.metrics()
    assert metrics["drift_rows_evaluated_total", ""] == 1000
    assert (metrics["drift_condition", "no_labels"], metrics["drift_condition", "no_data"]) == (1.0, 0.0)
    assert (metrics["drift_alert", "age"], metrics["drift_alert", "owner"]) == (1.0, 0.0)
    assert metrics["drift_targets_missing_ratio", ""] == 1.0
    results = json.loads(service.ask(f"/v1/results?model={MODEL}")[1])
    assert {row["chunk"] for row in results["results"]} == {0, 1}
    assert results["evaluation"]["conditions"] == ["no_labels"]
    status, page = service.ask(f"/report/{MODEL}")
    assert status == 200
    assert b"age: jensen shannon" in page
    for path in ("/report/nobody", "/v1/results?model=nobody"):
        assert service.ask(path)[0] == 404
    service.process.terminate()
    assert service.process.wait(timeout=20) in {0, -signal.SIGTERM}


def test_a_restart_shows_what_was_found_before_it_evaluates(replay: Replay, start: StartService) -> None:
    """And evaluates no closed chunk again."""
    replay.publish(rows(5000))
    replay.predict(rows(1000, 1))
    first = start()
    first.wait(lambda: first.metrics().get(("drift_rows_evaluated_total", "")) == 1000)
    before = json.loads(first.ask(f"/v1/results?model={MODEL}")[1])["results"]
    first.kill()
    second = start()
    second.wait(second.is_ready)
    assert json.loads(second.ask(f"/v1/results?model={MODEL}")[1])["results"] == before
    assert second.evaluate()["rows"] == 0
    metrics = second.metrics()
    assert metrics["drift_rows_evaluated_total", ""] == 0
    assert ("drift_alert", "age") in metrics


def test_a_kill_in_the_middle_of_an_evaluation_is_finished_by_the_next_start(
    replay: Replay, start: StartService
) -> None:
    """No chunk is missing or doubled."""
    replay.publish(rows(5000))
    replay.predict(rows(10_000, 1))
    results = replay.results()
    first = start(DRIFT_CHUNKS_AT_ONCE="1")
    first.wait(lambda: results.newest() >= 1)
    first.kill()
    assert 1 <= results.newest() < 19
    second = start(DRIFT_CHUNKS_AT_ONCE="1")
    second.wait(lambda: second.metrics().get(("drift_last_evaluation_timestamp_seconds", "")))
    assert [row["chunk"] for row in replay.found("univariate", "age", "jensen_shannon")] == list(range(20))


def test_probes_and_metrics_answer_while_an_evaluation_runs(replay: Replay, start: StartService) -> None:
    """It runs in a process of its own, which gives way: within a second even where a machine has much else to do."""
    replay.publish(rows(5000))
    replay.predict(rows(20_000, 1))
    service = start(DRIFT_CHUNKS_AT_ONCE="1")
    service.wait(lambda: replay.results().newest() >= 0)
    took: list[float] = []
    for path in ("/metrics", "/healthz") * 100:
        began = time.perf_counter()
        assert service.ask(path)[0] == 200
        took.append(time.perf_counter() - began)
    p99 = sorted(took)[len(took) * 99 // 100 - 1]
    assert p99 < 1
    assert replay.results().newest() < 39  # it ran all the while


def test_without_the_store_it_is_alive_and_not_ready_and_recovers_by_itself(
    replay: Replay, start: StartService
) -> None:
    """Told in metrics, and nothing lost."""
    replay.publish(rows(5000))
    replay.predict(rows(600, 1))
    there, away = replay.folder / MODEL, replay.folder.with_name("away")
    service = start()
    service.wait(lambda: service.metrics().get(("drift_rows_evaluated_total", "")) == 500)
    there.rename(away)
    there.write_text("no folder")
    outcome = service.evaluate()
    assert outcome["conditions"] == ["store_unavailable"]
    metrics = service.metrics()
    assert metrics["drift_condition", "store_unavailable"] == 1.0
    assert metrics["drift_evaluation_failures_total", "store_unavailable"] == 1.0
    assert ("drift_value", "age") in metrics
    assert service.ask(f"/report/{MODEL}")[0] == 503
    assert service.ask("/live")[0] == 200
    there.unlink()
    away.rename(there)
    assert service.evaluate()["conditions"] == ["no_labels"]
    assert service.metrics()["drift_condition", "store_unavailable"] == 0.0


def test_before_the_store_has_answered_it_is_alive_and_not_ready(start: StartService) -> None:
    """A restart would not mend it."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        service = start(
            MODEL_STORE_URL="s3://models",
            PREDICTION_STORE_URL="s3://predictions",
            AWS_ENDPOINT_URL=endpoint,
            AWS_REGION="local",
            AWS_ACCESS_KEY_ID="id",
            AWS_SECRET_ACCESS_KEY="key",  # noqa: S106 - of a store that is not there
        )
        service.wait(lambda: service.ask("/live")[0] == 200)
        assert service.ask("/ready")[0] == 503
        assert service.ask(f"/v1/results?model={MODEL}")[0] == 503


def test_a_wrong_configuration_is_refused(start: StartService) -> None:
    """Exit status 2, at once."""
    service = start(DRIFT_CHUNK_ROWS="few", DRIFT_CHUNK_SIZE="3")
    assert service.process.wait(timeout=60) == 2


@pytest.mark.parametrize(
    ("script", "cause"),
    [("import time; time.sleep(60)", "timeout"), ("raise SystemExit(1)", "crashed")],
)
def test_an_evaluation_that_hangs_or_dies_is_counted_and_the_next_is_tried(
    replay: Replay, script: str, cause: str
) -> None:
    """It is killed, and what was known still is."""
    replay.options = {"timeout_seconds": 1}
    metrics = Metrics([MODEL])
    schedule = Schedule(replay.settings, metrics, [sys.executable, "-c", script])
    for count in (1.0, 2.0):
        asyncio.run(schedule.evaluate(MODEL))
        labels = {"model": MODEL, "cause": cause}
        assert metrics.registry.get_sample_value("drift_evaluation_failures_total", labels) == count


def test_one_models_failure_keeps_no_other_from_being_evaluated(
    replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is evaluated in turn, whatever came of the one before."""
    outcome = {"newest": [], "conditions": [], "rows": 7, "failures": {}, "targets_missing": None}
    script = f"import json, sys; sys.exit(1) if sys.argv[1] == 'broken' else print({json.dumps(json.dumps(outcome))})"
    metrics = Metrics(["broken", MODEL])
    settings = replay.settings.model_copy(update={"models": ("broken", MODEL)})
    schedule = Schedule(settings, metrics, [sys.executable, "-c", script])

    async def until_both_were_tried() -> None:
        tried, evaluate = asyncio.Event(), schedule.evaluate

        async def noting(model: str) -> None:
            await evaluate(model)
            if model == MODEL:
                tried.set()

        monkeypatch.setattr(schedule, "evaluate", noting)
        running = asyncio.create_task(schedule.run())
        await tried.wait()
        running.cancel()

    asyncio.run(asyncio.wait_for(until_both_were_tried(), _PATIENCE_SECONDS))
    assert metrics.registry.get_sample_value("drift_rows_evaluated_total", {"model": MODEL}) == 7
    crashed = {"model": "broken", "cause": "crashed"}
    assert metrics.registry.get_sample_value("drift_evaluation_failures_total", crashed) == 1.0
