"""The loader waits for a champion as long as it takes, and says each obstacle once."""

import asyncio
import json
from collections.abc import Callable
from typing import NamedTuple

import obstore
import pytest
import structlog
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import Champion, ModelRefusedError, ModelRegistry
from lifecycle.store import ObjectStore, StoreUnavailableError
from prometheus_client import CollectorRegistry
from retraining.training import Trained
from scoring.champion import ChampionHolder, NotReady, ServedModel
from scoring.loader import ChampionLoader, ChampionSource, NoChampionError, pause_seconds, refuse_incompatible
from scoring.metrics import Metrics
from tenacity import Future, RetryCallState, Retrying

Describe = Callable[[int, ModelFile], Manifest]


class Run(NamedTuple):
    """What was seen of a loader from outside."""

    holder: ChampionHolder
    seen: list[NotReady]
    lines: list[dict[str, object]]
    metrics: Metrics


class Script:
    """A source whose loads end as written."""

    def __init__(self, holder: ChampionHolder, outcomes: list[Exception | ServedModel], seen: list[NotReady]) -> None:
        """Args: what to look at, what to give, where to note what was seen."""
        self._holder, self._outcomes, self._seen = holder, outcomes, seen

    def pointer(self) -> Champion:
        """See ChampionSource."""
        return Champion(1, "tag")

    def moved(self, seen: Champion) -> bool:
        """See ChampionSource."""
        return seen != self.pointer()

    def load(self, champion: Champion) -> ServedModel:  # noqa: ARG002 - the protocol's
        """See ChampionSource."""
        if isinstance(self._holder.current, NotReady):
            self._seen.append(self._holder.current)
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def _run(outcomes: list[Exception | ServedModel]) -> Run:
    """Runs a loader that meets these outcomes one after another."""
    holder, metrics = ChampionHolder(), Metrics(CollectorRegistry())
    seen: list[NotReady] = []
    source = Script(holder, list(outcomes), seen)
    with structlog.testing.capture_logs() as lines:
        asyncio.run(ChampionLoader(source, holder, metrics, pause=lambda _state: 0.0).load_first())
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
    loader = ChampionLoader(Script(holder, [], []), holder, Metrics(CollectorRegistry()))
    with structlog.testing.capture_logs():
        loader._explain(_state(refused, 1))
    assert holder.current == NotReady("model_refused", "The champion was refused: sha256_mismatch.")


def test_the_source_takes_the_registry_s_champion(store: ObjectStore, describe: Describe, trained: Trained) -> None:
    """Not the newest version, and none where nothing was promoted."""
    registry = ModelRegistry(store, "car-loan")
    with pytest.raises(NoChampionError):
        ChampionSource(registry).pointer()
    registry.publish(trained.text.encode(), describe)
    registry.publish(b"a newer one that nobody promoted", describe)
    registry.promote(1, replacing=None)
    assert _champion(registry).manifest.version == 1


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
        _champion(registry)
    assert caught.value.cause == "sha256_mismatch"


def _champion(registry: ModelRegistry) -> ServedModel:
    source = ChampionSource(registry)
    return source.load(source.pointer())


def _promote(registry: ModelRegistry, text: str, describe: Describe) -> None:
    """Publishes a text and makes it the champion."""
    version = registry.publish(text.encode(), describe).version
    registry.promote(version, replacing=registry.champion())


def test_a_new_champion_replaces_the_old_and_a_broken_one_does_not(
    store: ObjectStore, describe: Describe, trained: Trained
) -> None:
    """Refused once however often the pointer is looked at; the next good version is served."""
    registry = ModelRegistry(store, "car-loan")
    holder, metrics = ChampionHolder(), Metrics(CollectorRegistry())
    loader = ChampionLoader(ChampionSource(registry), holder, metrics)

    def serving() -> int:
        asyncio.run(loader.follow())
        assert isinstance(holder.current, ServedModel)
        return holder.current.manifest.version

    def swaps(outcome: str) -> float:
        labels = {"model": "car-loan", "outcome": outcome}
        return metrics.registry.get_sample_value("scoring_model_swaps_total", labels) or 0

    _promote(registry, trained.text, describe)
    asyncio.run(loader.load_first())
    assert serving() == 1
    _promote(registry, "no model", describe)
    assert [serving() for _ in range(3)] == [1, 1, 1]
    assert (swaps("refused"), swaps("swapped")) == (1, 0)
    assert metrics.registry.get_sample_value("scoring_champion_refused") == 1
    _promote(registry, trained.text, describe)
    assert [serving() for _ in range(2)] == [3, 3]
    assert (swaps("refused"), swaps("swapped")) == (1, 1)
    assert metrics.registry.get_sample_value("scoring_champion_refused") == 0


def test_a_refused_champion_is_no_longer_told_of_once_the_pointer_is_back(
    store: ObjectStore, describe: Describe, trained: Trained
) -> None:
    """Rolled back to what serves already, there is nothing to load, and nothing wrong any more."""
    registry = ModelRegistry(store, "car-loan")
    metrics, holder = Metrics(), ChampionHolder()
    loader = ChampionLoader(ChampionSource(registry), holder, metrics)
    _promote(registry, trained.text, describe)
    asyncio.run(loader.load_first())
    _promote(registry, "no model", describe)
    asyncio.run(loader.follow())
    assert metrics.registry.get_sample_value("scoring_champion_refused") == 1
    registry.promote(1, replacing=registry.champion())
    asyncio.run(loader.follow())
    assert metrics.registry.get_sample_value("scoring_champion_refused") == 0


def test_a_pointer_that_cannot_be_read_counts_once(
    backend: obstore.store.ObjectStore, store: ObjectStore, describe: Describe, trained: Trained
) -> None:
    """However often it is looked at; the champion serves on, and once the pointer is mended it is followed."""
    registry = ModelRegistry(store, "car-loan")
    holder, metrics = ChampionHolder(), Metrics(CollectorRegistry())
    loader = ChampionLoader(ChampionSource(registry), holder, metrics)
    _promote(registry, trained.text, describe)
    asyncio.run(loader.load_first())
    whole = bytes(obstore.get(backend, "car-loan/champion.json").bytes())
    obstore.put(backend, "car-loan/champion.json", b"{}")
    for _ in range(3):
        asyncio.run(loader.follow())
    assert isinstance(holder.current, ServedModel)
    assert metrics.registry.get_sample_value("scoring_model_refusals_total", {"cause": "champion_invalid"}) == 1
    obstore.put(backend, "car-loan/champion.json", whole)
    registry.publish(f"{trained.text}\n".encode(), describe)
    registry.promote(2, replacing=registry.champion())
    asyncio.run(loader.follow())
    assert holder.current.manifest.version == 2


def test_a_version_of_another_schema_is_refused(model: ServedModel) -> None:
    """A feature that went away would make every request of today wrong."""
    manifest = model.manifest
    refuse_incompatible(manifest, manifest)
    fewer = manifest.feature_schema.model_copy(update={"features": manifest.feature_schema.features[1:]})
    with pytest.raises(ModelRefusedError, match="is gone, was") as caught:
        refuse_incompatible(manifest, manifest.model_copy(update={"feature_schema": fewer}))
    assert caught.value.cause == "schema_incompatible"


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
