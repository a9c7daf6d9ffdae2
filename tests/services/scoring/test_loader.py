"""The loader waits for a champion as long as it takes, and says each obstacle once."""

import asyncio
import json
from collections.abc import Callable
from typing import NamedTuple

import obstore
import pytest
import structlog
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import ModelRefusedError, ModelRegistry
from lifecycle.store import ObjectStore, StoreUnavailableError
from prometheus_client import CollectorRegistry
from retraining.training import Trained
from scoring.champion import ChampionHolder, NotReady, ServedModel
from scoring.loader import ChampionLoader, NoChampionError, load_champion, pause_seconds
from scoring.metrics import Metrics
from tenacity import Future, RetryCallState, Retrying

Describe = Callable[[int, ModelFile], Manifest]


class Run(NamedTuple):
    """What was seen of a loader from outside."""

    holder: ChampionHolder
    seen: list[NotReady]
    lines: list[dict[str, object]]
    metrics: Metrics


def _run(outcomes: list[Exception | ServedModel]) -> Run:
    """Runs a loader that meets these outcomes one after another."""
    holder, metrics = ChampionHolder(), Metrics(CollectorRegistry())
    seen: list[NotReady] = []
    left = list(outcomes)

    def load() -> ServedModel:
        if isinstance(holder.current, NotReady):
            seen.append(holder.current)
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with structlog.testing.capture_logs() as lines:
        asyncio.run(ChampionLoader(load, holder, metrics, pause=lambda _state: 0.0).run())
    return Run(holder, seen, [dict(line) for line in lines], metrics)


def test_a_champion_is_served_as_soon_as_it_is_loaded(model: ServedModel) -> None:
    """Holder, log and metrics agree on which."""
    holder, _, lines, metrics = _run([model])
    assert holder.current is model
    assert [line["event"] for line in lines] == ["model_loaded"]
    labels = {"model": "car-loan", "version": "1", "sha256": model.manifest.file.sha256}
    assert metrics.registry.get_sample_value("scoring_model_info", labels) == 1


def test_each_obstacle_is_told_to_readiness_each_time_and_to_the_log_once(model: ServedModel) -> None:
    """However often it is met; a new one is told again."""
    away = StoreUnavailableError("get", "car-loan/champion.json", OSError("refused"))
    tampered = ModelRefusedError("sha256_mismatch", "model.txt has SHA-256 a, its manifest says b", 1)
    reading = ModelRefusedError("parity_mismatch", "parity row 0 gives 0.1, the manifest says 0.2", 2)
    outcomes = [away] * 3 + [NoChampionError()] * 3 + [tampered] * 5 + [reading] * 2
    _, seen, lines, metrics = _run([*outcomes, model])
    assert [reason.code for reason in seen] == [
        "starting",
        *["store_unavailable"] * 3,
        *["waiting_for_champion"] * 3,
        *["model_refused"] * 7,
    ]
    assert [(line["event"], line.get("cause")) for line in lines] == [
        ("store_unavailable", None),
        ("waiting_for_champion", None),
        ("model_refused", "sha256_mismatch"),
        ("model_refused", "parity_mismatch"),
        ("model_loaded", None),
    ]
    assert metrics.registry.get_sample_value("scoring_model_refusals_total", {"cause": "sha256_mismatch"}) == 5


def test_a_defect_while_loading_refuses_the_model_and_keeps_the_loader_alive(model: ServedModel) -> None:
    """One line with type and place, without the text, and another try."""
    holder, seen, lines, _ = _run([KeyError("secret"), KeyError("secret"), model])
    assert holder.current is model
    assert seen[-1].message == "The champion was refused: internal."
    assert lines[0]["cause"] == "internal"
    assert lines[0]["error_type"] == "KeyError"
    assert "secret" not in json.dumps(lines[0])
    assert len(lines) == 2


def test_what_a_client_reads_of_a_refusal_names_the_cause_and_no_more() -> None:
    """Keys and hashes are for the log."""
    refused = ModelRefusedError("sha256_mismatch", "car-loan/versions/00000001/model.txt has SHA-256 ...", 1)
    holder = ChampionHolder()
    loader = ChampionLoader(lambda: None, holder, Metrics(CollectorRegistry()))  # type: ignore[arg-type,return-value] # not called
    with structlog.testing.capture_logs():
        loader._explain(_state(refused, 1))
    assert holder.current == NotReady("model_refused", "The champion was refused: sha256_mismatch.")


def test_load_champion_takes_the_registry_s_champion(store: ObjectStore, describe: Describe, trained: Trained) -> None:
    """Not the newest version, and none where nothing was promoted."""
    registry = ModelRegistry(store, "car-loan")
    with pytest.raises(NoChampionError):
        load_champion(registry)
    registry.publish(trained.text.encode(), describe)
    registry.publish(b"a newer one that nobody promoted", describe)
    registry.promote(1, replacing=None)
    assert load_champion(registry).manifest.version == 1


def test_a_tampered_champion_is_refused(
    backend: obstore.store.ObjectStore, store: ObjectStore, describe: Describe, trained: Trained
) -> None:
    """One changed digit in a leaf is enough."""
    registry = ModelRegistry(store, "car-loan")
    registry.publish(trained.text.encode(), describe)
    registry.promote(1, replacing=None)
    start = trained.text.index("leaf_value=") + len("leaf_value=")
    digit = next(i for i in range(start, len(trained.text)) if trained.text[i].isdigit())
    tampered = trained.text[:digit] + str((int(trained.text[digit]) + 1) % 10) + trained.text[digit + 1 :]
    obstore.put(backend, "car-loan/versions/00000001/model.txt", tampered.encode())
    with pytest.raises(ModelRefusedError) as caught:
        load_champion(registry)
    assert caught.value.cause == "sha256_mismatch"


def _state(error: Exception, attempt: int) -> RetryCallState:
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    state.outcome = Future.construct(attempt, error, has_exception=True)
    return state


@pytest.mark.parametrize(
    ("error", "longest_seconds"), [(NoChampionError(), 2.0), (ModelRefusedError("internal", "x"), 30.0)]
)
def test_pauses_grow_to_a_bound(error: Exception, longest_seconds: float) -> None:
    """Short at first; a refused model is looked at twice a minute, an absent one every two seconds."""
    assert pause_seconds(_state(error, 1)) <= 0.24
    for attempt in (20, 1_000_000):
        assert 0.8 * longest_seconds <= pause_seconds(_state(error, attempt)) <= 1.2 * longest_seconds
