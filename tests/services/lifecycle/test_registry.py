"""The registry never shows half a version, never loses one, and never has two champions."""

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import obstore
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import (
    Champion,
    ChampionChangedError,
    ModelRefusedError,
    ModelRegistry,
    NeverChampionError,
)
from lifecycle.store import ObjectStore
from retraining.training import Trained

Describe = Callable[[int, ModelFile], Manifest]
Backend = obstore.store.ObjectStore


@pytest.fixture
def registry(store: ObjectStore) -> ModelRegistry:
    """An empty registry."""
    return ModelRegistry(store, "car-loan")


def _key(version: int, name: str) -> str:
    return f"car-loan/versions/{version:08d}/{name}"


def test_a_published_version_loads_as_it_was(registry: ModelRegistry, describe: Describe, trained: Trained) -> None:
    """Text and manifest come back the same."""
    text = trained.text.encode()
    published = registry.publish(text, describe)
    assert (published.version, published.created) == (1, True)
    stored = registry.load(1)
    assert stored.text == trained.text
    assert stored.manifest == describe(1, ModelFile.of(text))


def test_the_layout_is_the_one_that_is_documented(
    registry: ModelRegistry, describe: Describe, backend: Backend
) -> None:
    """Other tools find the files by these keys."""
    registry.publish(b"model", describe)
    registry.promote(1, replacing=None)
    assert bytes(obstore.get(backend, "car-loan/versions/00000001/model.txt").bytes()) == b"model"
    assert json.loads(bytes(obstore.get(backend, "car-loan/versions/00000001/manifest.json").bytes()))["version"] == 1
    pointer = bytes(obstore.get(backend, "car-loan/champion.json").bytes())
    assert json.loads(pointer)["version"] == 1
    assert bytes(obstore.get(backend, "car-loan/history/00000001.json").bytes()) == pointer


def test_an_empty_registry_has_no_versions_and_no_champion(registry: ModelRegistry) -> None:
    """An empty or absent folder is not an error."""
    assert registry.versions() == []
    assert registry.champion() is None


def test_publishing_the_newest_model_again_changes_nothing(registry: ModelRegistry, describe: Describe) -> None:
    """So that a run can be repeated."""
    assert registry.publish(b"a", describe).version == 1
    again = registry.publish(b"a", describe)
    assert (again.version, again.created) == (1, False)
    assert registry.publish(b"b", describe).version == 2
    assert registry.versions() == [1, 2]


def test_a_version_is_not_there_before_its_manifest(registry: ModelRegistry, backend: Backend) -> None:
    """A model file alone is no version, neither listed nor loaded."""
    obstore.put(backend, _key(1, "model.txt"), b"half")
    assert registry.versions() == []
    with pytest.raises(ModelRefusedError) as caught:
        registry.load(1)
    assert caught.value.cause == "manifest_missing"


def test_a_model_file_left_by_a_killed_run_is_taken_over_when_it_is_the_same(
    registry: ModelRegistry, describe: Describe, backend: Backend
) -> None:
    """The next run with the same bytes completes the same version."""
    obstore.put(backend, _key(1, "model.txt"), b"same")
    assert registry.publish(b"same", describe).version == 1
    assert registry.load(1).text == "same"


@pytest.mark.parametrize("left", [b"other", b"much longer than ours", b""])
def test_a_model_file_left_by_a_killed_run_does_not_block_another_model(
    registry: ModelRegistry, describe: Describe, backend: Backend, left: bytes
) -> None:
    """It is neither overwritten nor in the way: its number stays unused."""
    obstore.put(backend, _key(1, "model.txt"), left)
    assert registry.publish(b"ours", describe).version == 2
    assert registry.versions() == [2]
    assert bytes(obstore.get(backend, _key(1, "model.txt")).bytes()) == left


def test_versions_are_ordered_as_numbers(registry: ModelRegistry, describe: Describe) -> None:
    """Ten comes after nine; the next number is one more than the largest."""
    for n in range(11):
        registry.publish(b"model %d" % n, describe)
    assert registry.versions() == list(range(1, 12))


def test_foreign_folders_are_no_versions(registry: ModelRegistry, describe: Describe, backend: Backend) -> None:
    """Only eight digits name a version."""
    for folder in ("latest", "1", "000000002", "0000000a"):
        obstore.put(backend, f"car-loan/versions/{folder}/manifest.json", b"{}")
    assert registry.versions() == []
    assert registry.publish(b"model", describe).version == 1


def test_a_broken_newest_manifest_does_not_block_publishing(
    registry: ModelRegistry, describe: Describe, backend: Backend
) -> None:
    """The next number is taken."""
    obstore.put(backend, _key(1, "manifest.json"), b"garbage")
    assert registry.publish(b"model", describe).version == 2


@dataclass(frozen=True)
class Tamper:
    """What somebody did to a file of a version, and the cause it is refused with."""

    name: str
    spoil: Callable[[bytes], bytes] | None
    """None deletes the file."""
    cause: str


TAMPERS = [
    Tamper("model.txt", lambda data: data[:-1] + bytes([data[-1] ^ 1]), "sha256_mismatch"),
    Tamper("model.txt", lambda data: data[:-1], "size_mismatch"),
    Tamper("model.txt", lambda data: data + b"\n", "size_mismatch"),
    Tamper("model.txt", lambda _: b"", "size_mismatch"),
    Tamper("model.txt", None, "model_missing"),
    Tamper("manifest.json", None, "manifest_missing"),
    Tamper("manifest.json", lambda data: data[: len(data) // 2], "manifest_invalid"),
    Tamper("manifest.json", lambda data: data.replace(b'"version": 1', b'"version": 2'), "manifest_mismatch"),
    Tamper("manifest.json", lambda data: data.replace(b'"car-loan"', b'"other"'), "manifest_mismatch"),
    Tamper("manifest.json", lambda data: data.replace(b'"binary"', b'"lottery"'), "manifest_invalid"),
]


@pytest.mark.parametrize("tamper", TAMPERS, ids=lambda tamper: f"{tamper.name}-{tamper.cause}")
def test_a_tampered_version_is_refused_with_its_cause(
    registry: ModelRegistry, describe: Describe, backend: Backend, tamper: Tamper
) -> None:
    """Whatever was changed, it is not loaded."""
    registry.publish(b"the model", describe)
    key = _key(1, tamper.name)
    if tamper.spoil is None:
        obstore.delete(backend, key)
    else:
        data = bytes(obstore.get(backend, key).bytes())
        assert tamper.spoil(data) != data
        obstore.put(backend, key, tamper.spoil(data))
    with pytest.raises(ModelRefusedError) as caught:
        registry.load(1)
    assert caught.value.cause == tamper.cause
    assert caught.value.version == 1


def test_a_model_that_is_not_text_is_refused(registry: ModelRegistry, describe: Describe) -> None:
    """Even where size and SHA-256 are right."""
    registry.publish(b"\xff\xfe", describe)
    with pytest.raises(ModelRefusedError) as caught:
        registry.load(1)
    assert caught.value.cause == "model_unreadable"


@pytest.mark.parametrize(
    "pointer", [b"", b"1", b"{}", b'{"version": "1"}', b'{"version": 0}', b'{"version": 1, "x": 2}', b"x" * 5000]
)
def test_a_pointer_that_cannot_be_read_is_refused_not_ignored(
    registry: ModelRegistry, backend: Backend, pointer: bytes
) -> None:
    """Else a bootstrap would take the registry for an empty one."""
    obstore.put(backend, "car-loan/champion.json", pointer)
    with pytest.raises(ModelRefusedError) as caught:
        registry.champion()
    assert caught.value.cause == "champion_invalid"


def test_the_champion_moves_only_from_where_it_was_seen(registry: ModelRegistry) -> None:
    """A decision made on an old champion is not carried out."""
    registry.promote(1, replacing=None)
    seen = registry.champion()
    registry.promote(2, replacing=seen)
    with pytest.raises(ChampionChangedError, match="champion is version 2, expected was version 1"):
        registry.promote(3, replacing=seen)
    with pytest.raises(ChampionChangedError, match="expected was none"):
        registry.promote(3, replacing=None)
    champion = registry.champion()
    assert champion is not None
    assert champion.version == 2


def test_promoting_again_what_serves_already_succeeds(registry: ModelRegistry) -> None:
    """A write whose answer got lost is tried again and must not fail on its own result."""
    registry.promote(1, replacing=None)
    registry.promote(1, replacing=None)
    seen = registry.champion()
    registry.promote(2, replacing=seen)
    registry.promote(2, replacing=seen)
    champion = registry.champion()
    assert champion is not None
    assert champion.version == 2


def test_of_many_promotions_at_once_one_wins(registry: ModelRegistry) -> None:
    """Both the first promotion and later ones; the losers are told."""

    def try_to_promote(version: int) -> int | None:
        try:
            registry.promote(version, replacing=seen)
        except ChampionChangedError:
            return None
        return version

    seen = None
    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            winners = [won for won in pool.map(try_to_promote, range(1, 9)) if won]
        champion = registry.champion()
        assert champion is not None
        assert winners == [champion.version]
        # A version that serves already would be a second winner.
        registry.promote(99, replacing=champion)
        seen = registry.champion()


def test_the_same_model_published_many_times_at_once_is_one_version(
    registry: ModelRegistry, describe: Describe
) -> None:
    """All publishers are told the same number, and one that it made it."""
    with ThreadPoolExecutor(8) as pool:
        published = list(pool.map(lambda _: registry.publish(b"same", describe), range(8)))
    assert {p.version for p in published} == {1}
    assert sum(p.created for p in published) == 1
    assert registry.versions() == [1]


def test_different_models_published_at_once_are_all_there(registry: ModelRegistry, describe: Describe) -> None:
    """Each under a number of its own, none mixed with another."""
    with ThreadPoolExecutor(8) as pool:
        published = list(pool.map(lambda n: registry.publish(b"model %d" % n, describe), range(8)))
    assert all(p.created for p in published)
    assert {registry.load(p.version).text for p in published} == {f"model {n}" for n in range(8)}


def test_of_two_promotions_at_once_one_wins_and_history_is_whole(registry: ModelRegistry) -> None:
    """200 times: the other is told, and each move says who, from what, to what."""
    registry.promote(1, replacing=None, actor="setup", reason="first")
    with ThreadPoolExecutor(2) as pool:
        for round_ in range(200):
            seen = registry.champion()
            assert seen is not None
            versions = [2 * round_ + 2, 2 * round_ + 3]

            def won(version: int, seen: Champion = seen) -> bool:
                try:
                    registry.promote(version, replacing=seen, actor=f"actor-{version}", reason="race")
                except ChampionChangedError:
                    return False
                return True

            outcomes = list(pool.map(won, versions))
            assert sorted(outcomes) == [False, True]
            champion = registry.champion()
            assert champion is not None
            assert champion.version == versions[outcomes.index(True)]
    moves = registry.history()
    assert [move.sequence for move in moves] == list(range(1, 202))
    assert [move.previous for move in moves] == [None, *(move.version for move in moves[:-1])]
    assert all(move.actor == f"actor-{move.version}" for move in moves[1:])


def test_a_history_entry_that_a_killed_writer_left_out_is_completed_by_the_next(
    registry: ModelRegistry, backend: Backend
) -> None:
    """Before that the pointer itself tells it."""
    registry.promote(1, replacing=None, actor="a", reason="first")
    obstore.delete(backend, "car-loan/history/00000001.json")
    assert [move.version for move in registry.history()] == [1]
    registry.promote(2, replacing=registry.champion(), actor="b", reason="second")
    assert [(move.actor, move.version) for move in registry.history()] == [("a", 1), ("b", 2)]
    obstore.delete(backend, "car-loan/history/00000001.json")
    with pytest.raises(ModelRefusedError) as caught:
        registry.history()
    assert caught.value.cause == "history_invalid"


def test_a_decision_is_void_when_the_champion_went_and_came_back(registry: ModelRegistry) -> None:
    """Its move has another number."""
    registry.promote(1, replacing=None)
    seen = registry.champion()
    registry.promote(2, replacing=seen)
    registry.promote(1, replacing=registry.champion())
    with pytest.raises(ChampionChangedError):
        registry.promote(3, replacing=seen)


def test_a_roll_back_returns_to_a_former_champion_only(registry: ModelRegistry, describe: Describe) -> None:
    """Not to a version that never served, nor to one that is no longer whole."""
    for n, text in enumerate((b"a", b"b", b"c"), start=1):
        registry.publish(text, describe)
        if n < 3:
            registry.promote(n, replacing=registry.champion())
    with pytest.raises(NeverChampionError, match=r"these are: 1$"):
        registry.roll_back(3, actor="ann", reason="test")
    registry.roll_back(1, actor="ann", reason="worse on new customers")
    newest = registry.history()[-1]
    assert (newest.version, newest.previous, newest.actor) == (1, 2, "ann")
    assert newest.reason == "worse on new customers"


def _parquet(version: int) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"version": [version, version]}), sink)
    return sink.getvalue()


def test_a_reference_is_checked_against_its_manifest(
    registry: ModelRegistry, describe: Describe, backend: Backend
) -> None:
    """It comes back as it was; changed or gone, it is refused; other files lie beside it."""
    files = {"evidence.json": b"{}"}
    registry.publish(b"a", describe, lambda version: {"reference.parquet": _parquet(version), **files})
    facts = registry.manifest(1).reference
    assert facts is not None
    assert facts.rows == 2
    assert registry.reference(1).to_pydict() == {"version": [1, 1]}
    assert bytes(obstore.get(backend, _key(1, "evidence.json")).bytes()) == b"{}"
    obstore.put(backend, _key(1, "reference.parquet"), _parquet(7))
    with pytest.raises(ModelRefusedError) as caught:
        registry.reference(1)
    assert caught.value.cause == "reference_mismatch"
    obstore.delete(backend, _key(1, "reference.parquet"))
    with pytest.raises(ModelRefusedError) as caught:
        registry.reference(1)
    assert caught.value.cause == "reference_missing"
