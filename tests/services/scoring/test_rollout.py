"""A challenger on trial: whom it is given, what it answers, and what a client never meets."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import StoredModel
from retraining.training import Trained
from scoring.app import Dependencies, create_app
from scoring.challenger import Challenger
from scoring.champion import ServedModel
from scoring.predictor import build_predictor
from tests.services.scoring.challengers import answers, shorter, without_a_category
from tests.services.scoring.process.service import eventually
from tests.services.scoring.test_hot import MemoryLog

OpenClient = Callable[[Dependencies], TestClient]
Describe = Callable[[int, ModelFile], Manifest]

REQUESTS = 400


@pytest.fixture(scope="session")
def second(trained: Trained, describe: Describe) -> ServedModel:
    """Version 2: the small model without its last tree."""
    text = shorter(trained)
    manifest = describe(2, ModelFile.of(text.encode())).model_copy(update={"parity": answers(text, trained)})
    return ServedModel(manifest, build_predictor(StoredModel(manifest, text)))


@dataclass(frozen=True)
class Broken:
    """A predictor that fails, or that takes until it is told to go on."""

    go_on: threading.Event | None = None

    def predict_row(self, vector: bytes) -> list[float]:
        """See Predictor."""
        return self.predict_rows(vector, 1)

    def predict_rows(self, vectors: bytes, rows: int) -> list[float]:  # noqa: ARG002 - the protocol's
        """See Predictor."""
        if self.go_on is None:
            message = "a defect of this model"
            raise RuntimeError(message)
        self.go_on.wait()
        return [0.5] * rows

    def contributions(self, vectors: bytes, rows: int) -> Any:  # noqa: ANN401 - the protocol's
        """See Predictor."""
        raise NotImplementedError


def expected(model: ServedModel, row: int = 0) -> float:
    """What a version answers to its own parity row, to the last bit."""
    return float.fromhex(model.manifest.parity[row].outputs[0])


def ask(client: TestClient, row: dict[str, Any], name: str) -> tuple[int, float]:
    """The version and the probability of an answer to a request of this name."""
    answer = client.post("/v1/predict", json={"rows": [row]}, headers={"x-request-id": name})
    assert answer.status_code == 200, answer.text
    return answer.json()["model"]["version"], answer.json()["predictions"][0]["probability"]


def metric(client: TestClient, name: str, **labels: str) -> float:
    """The sum of the samples of this name that have these labels."""
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith((name + "{", name + " "))]
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(want in line for want in wanted))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.25, 1.0])
def test_a_canary_answers_its_share_and_every_answer_is_of_the_version_it_names(
    open_client: OpenClient,
    dependencies: Dependencies,
    model: ServedModel,
    second: ServedModel,
    row: dict[str, Any],
    share: float,
) -> None:
    """The probability is that version's, bit for bit; of 400 requests as many as chance allows are the canary's."""
    dependencies.champion.challenger = Challenger(second, "canary", share)
    client = open_client(dependencies)
    found = [ask(client, row, f"request-{n}") for n in range(REQUESTS)]
    assert expected(model) != expected(second)
    assert set(found) <= {(1, expected(model)), (2, expected(second))}
    canarys = sum(version == 2 for version, _ in found)
    assert abs(canarys - share * REQUESTS) <= 4 * (REQUESTS * share * (1 - share)) ** 0.5
    assert metric(client, "scoring_predictions_total", version="2") == canarys
    assert metric(client, "scoring_predictions_total", version="1") == REQUESTS - canarys


def test_a_request_that_is_sent_again_has_the_same_version_and_a_wider_share_keeps_whom_it_had(
    second: ServedModel,
) -> None:
    """By the hash of its name; another version meets others."""
    keys = [f"request-{n}".encode() for n in range(2000)]

    def taken(share: float, model: ServedModel = second) -> set[bytes]:
        return set(filter(Challenger(model, "canary", share).takes, keys))

    assert taken(0.05) == taken(0.05)
    assert taken(0.05) < taken(0.25) < taken(0.5) < taken(1.0) == set(keys)
    third = ServedModel(second.manifest.model_copy(update={"version": 3}), second.predictor)
    overlap = len(taken(0.25) & taken(0.25, third))
    assert abs(overlap - 125) < 60


def test_ids_of_a_process_are_spread_although_it_counts_them(
    open_client: OpenClient, dependencies: Dependencies, second: ServedModel, row: dict[str, Any]
) -> None:
    """A client that names no request is shared out all the same."""
    dependencies.champion.challenger = Challenger(second, "canary", 0.5)
    client = open_client(dependencies)
    versions = [client.post("/v1/predict", json={"rows": [row]}).json()["model"]["version"] for _ in range(REQUESTS)]
    assert abs(versions.count(2) - REQUESTS / 2) < 40


def test_a_path_that_names_the_champion_is_answered_by_it(
    open_client: OpenClient, dependencies: Dependencies, second: ServedModel, row: dict[str, Any]
) -> None:
    """The Open Inference Protocol's version; a path without one takes part in the rollout."""
    dependencies.champion.challenger = Challenger(second, "canary", 1.0)
    client = open_client(dependencies)
    inputs = [
        {"name": name, "shape": [1, 1], "datatype": "BYTES" if isinstance(value, str) else "FP64", "data": [value]}
        for name, value in row.items()
        if not isinstance(value, bool)
    ] + [
        {"name": name, "shape": [1, 1], "datatype": "BOOL", "data": [value]}
        for name, value in row.items()
        if isinstance(value, bool)
    ]
    found = {
        path: client.post(f"/v2/models/car-loan{path}/infer", json={"inputs": inputs}).json().get("model_version")
        for path in ("", "/versions/1", "/versions/2")
    }
    assert found == {"": "2", "/versions/1": "1", "/versions/2": None}


@pytest.mark.parametrize("rows", [1, 49], ids=["on the loop", "in a thread"])
def test_what_a_canary_cannot_answer_the_champion_does(
    open_client: OpenClient, dependencies: Dependencies, model: ServedModel, row: dict[str, Any], rows: int
) -> None:
    """A client meets none of its failures; each is counted."""
    challenger = ServedModel(model.manifest.model_copy(update={"version": 2}), Broken())
    dependencies.champion.challenger = Challenger(challenger, "canary", 1.0)
    settings = dependencies.settings.model_copy(update={"inline_body_bytes": 2_000})
    dependencies.metrics.trial.begin(model.manifest, challenger.manifest, "canary", 1.0)
    client = open_client(replace(dependencies, settings=settings))
    answer = client.post("/v1/predict", json={"rows": [row] * rows}).json()
    assert answer["model"]["version"] == 1
    assert {prediction["probability"] for prediction in answer["predictions"]} == {expected(model)}
    failed = metric(client, "scoring_trial_requests_total", version="2", role="canary", outcome="failed")
    answered = metric(client, "scoring_trial_requests_total", version="1", role="champion", outcome="answered")
    assert (failed, answered) == (1, 1)


def test_a_batch_that_a_canary_takes_too_long_for_is_its_failure(
    open_client: OpenClient, dependencies: Dependencies, model: ServedModel, row: dict[str, Any]
) -> None:
    """The one that a client may meet: nobody can take the thread from it."""
    go_on = threading.Event()
    challenger = ServedModel(model.manifest.model_copy(update={"version": 2}), Broken(go_on))
    dependencies.champion.challenger = Challenger(challenger, "canary", 1.0)
    settings = dependencies.settings.model_copy(update={"inline_body_bytes": 2_000, "batch_timeout_seconds": 0.1})
    client = open_client(replace(dependencies, settings=settings))
    answer = client.post("/v1/predict", json={"rows": [row] * 49})
    go_on.set()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "too_slow")
    assert metric(client, "scoring_trial_requests_total", version="2", outcome="failed") == 1


def test_a_category_that_the_canary_has_forgotten_is_its_failure_and_a_wrong_request_is_not(
    open_client: OpenClient, dependencies: Dependencies, model: ServedModel, row: dict[str, Any]
) -> None:
    """A request that neither version takes is refused, and counted as nobody's failure."""
    manifest, feature, category = without_a_category(model.manifest.model_copy(update={"version": 2}))
    challenger = ServedModel(manifest, model.predictor)
    dependencies.champion.challenger = Challenger(challenger, "canary", 1.0)
    client = open_client(dependencies)
    assert ask(client, row | {feature: category}, "a")[0] == 1
    assert client.post("/v1/predict", json={"rows": [row | {feature: "nonsense"}]}).status_code == 422
    assert metric(client, "scoring_trial_requests_total", version="2", outcome="failed") == 1


def test_a_canarys_predictions_are_kept_with_their_role(
    open_client: OpenClient, dependencies: Dependencies, second: ServedModel, row: dict[str, Any]
) -> None:
    """So that readers of the log know whose they are."""
    log = MemoryLog()
    dependencies.champion.challenger = Challenger(second, "canary", 0.5)
    client = open_client(replace(dependencies, log=log))
    for n in range(50):
        ask(client, row, str(n))
    assert {(rows.model.manifest.version, rows.role) for rows in log.rows} == {(1, "champion"), (2, "canary")}


def test_a_shadow_alters_no_answer_and_scores_the_same_rows(
    open_client: OpenClient, dependencies: Dependencies, model: ServedModel, second: ServedModel, row: dict[str, Any]
) -> None:
    """Every answer is the champion's; what the shadow would have said is kept by the same id, and compared."""
    log = MemoryLog()
    dependencies.champion.challenger = Challenger(second, "shadow", 1.0)
    dependencies.metrics.trial.begin(model.manifest, second.manifest, "shadow", 1.0)
    client = open_client(replace(dependencies, log=log))
    assert {ask(client, row, str(n)) for n in range(20)} == {(1, expected(model))}
    eventually(lambda: sum(rows.role == "shadow" for rows in log.rows) == 20, "the shadow has scored them")
    champions = {tuple(rows.ids): rows for rows in log.rows if rows.role == "champion"}
    for rows in log.rows:
        if rows.role == "shadow":
            assert rows.vectors == champions[tuple(rows.ids)].vectors
            assert rows.outputs == [expected(second)]
    assert metric(client, "scoring_trial_requests_total", role="shadow", outcome="answered") == 20
    assert metric(client, "scoring_trial_requests_total", role="champion", outcome="answered") == 20
    differences = metric(client, "scoring_trial_difference_sum")
    assert differences == pytest.approx(20 * abs(expected(model) - expected(second)))


def test_a_shadow_that_fails_or_hangs_is_met_by_nobody(
    open_client: OpenClient, dependencies: Dependencies, model: ServedModel, row: dict[str, Any]
) -> None:
    """Answers come while it hangs, what does not fit its queue is counted and left out; then it fails."""
    go_on = threading.Event()
    hanging = ServedModel(model.manifest.model_copy(update={"version": 2}), Broken(go_on))
    dependencies.champion.challenger = Challenger(hanging, "shadow", 1.0)
    client = open_client(dependencies)
    for n in range(1100):
        assert ask(client, row, str(n)) == (1, expected(model))
    assert metric(client, "scoring_trial_dropped_total", version="2") == 100
    assert metric(client, "scoring_trial_requests_total", version="2") == 0
    failing = ServedModel(model.manifest.model_copy(update={"version": 3}), Broken())
    dependencies.champion.challenger = Challenger(failing, "shadow", 1.0)
    go_on.set()
    eventually(
        lambda: ask(client, row, str(time.monotonic()))[0] == 1 and _failed(client) > 0, "its failure is counted"
    )


def _failed(client: TestClient) -> float:
    return metric(client, "scoring_trial_requests_total", version="3", role="shadow", outcome="failed")


def test_without_a_rollout_nothing_is_told_of_one(client: TestClient, row: dict[str, Any]) -> None:
    """No series."""
    ask(client, row, "a")
    assert [line for line in client.get("/metrics").text.splitlines() if line.startswith("scoring_trial_")] == []


def test_answers_at_once_are_shared_out_too(
    dependencies: Dependencies, second: ServedModel, row: dict[str, Any]
) -> None:
    """What is answered on the connection is, by the name that the client gave."""
    dependencies.champion.challenger = Challenger(second, "canary", 0.5)
    app = create_app(dependencies)
    body = json.dumps({"rows": [row]}).encode()
    for n in range(50):
        name = str(n).encode()
        found = app.at_once(b"/v1/predict", {b"content-type": b"application/json", b"x-request-id": name}, body)
        assert found is not None
        version = json.loads(found[1])["model"]["version"]
        assert version == (2 if dependencies.champion.challenger.takes(name) else 1)
