"""The command line shows and moves what the registry holds."""

import json
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest
from lifecycle.__main__ import app
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import ModelRefusedError, ModelRegistry, NeverChampionError
from lifecycle.rollouts import NoRolloutError
from lifecycle.store import ObjectStore
from obstore.store import LocalStore
from typer.testing import CliRunner


@pytest.fixture
def registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, describe: Callable[[int, ModelFile], Manifest]
) -> ModelRegistry:
    """Two versions, both champions one after the other, where the command looks for them."""
    monkeypatch.setenv("MODEL_STORE_URL", f"file://{tmp_path}/store")
    monkeypatch.setenv("MODEL_NAME", "car-loan")
    registry = ModelRegistry(ObjectStore(LocalStore(tmp_path / "store", mkdir=True)), "car-loan")
    for version in (1, 2):
        registry.publish(b"model %d" % version, describe)
        registry.promote(version, replacing=registry.champion(), actor="setup", reason="test")
    return registry


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list_and_history_are_json_for_scripts(registry: ModelRegistry) -> None:
    """The champion is marked, each move says who and why."""
    del registry  # wanted for what it holds
    assert [(row["version"], row["champion"]) for row in json.loads(_run("list", "--json"))] == [(1, False), (2, True)]
    assert [(row["previous"], row["actor"]) for row in json.loads(_run("history", "--json"))] == [
        (None, "setup"),
        (1, "setup"),
    ]


def test_rollback_moves_the_champion_and_says_who_and_why(registry: ModelRegistry) -> None:
    """The reason is asked for, or given."""
    _run("rollback", "1", "--actor", "ann", "--reason", "worse")
    newest = registry.history()[-1]
    assert (newest.version, newest.actor, newest.reason) == (1, "ann", "worse")
    with pytest.raises(NeverChampionError):
        _run("rollback", "3", "--actor", "ann", "--reason", "worse")


def test_a_rollout_is_begun_listed_and_aborted(registry: ModelRegistry) -> None:
    """Of a version that is whole and not the champion; nothing is on trial afterwards."""
    _run("begin-rollout", "1", "--mode", "canary", "--actor", "ann", "--reason", "try it")
    _run("abort-rollout", "--actor", "ben", "--reason", "complaints")
    steps = [
        (row["version"], row["state"], row["actor"], row["cause"]) for row in json.loads(_run("rollouts", "--json"))
    ]
    assert steps == [(1, "canary", "ann", None), (1, "taken_back", "ben", "person")]
    with pytest.raises(NoRolloutError):
        _run("abort-rollout", "--actor", "ben", "--reason", "again")
    with pytest.raises(ModelRefusedError, match="cannot be tried against the champion, which is 2"):
        _run("begin-rollout", "2", "--mode", "shadow", "--actor", "ann", "--reason", "x")
    assert [move.version for move in registry.history()] == [1, 2]


def test_verify_names_the_version_that_was_tampered_with(registry: ModelRegistry, tmp_path: Path) -> None:
    """Exit status 1 then, 0 before."""
    del registry  # wanted for what it holds
    assert {row["finding"] for row in json.loads(_run("verify", "--json"))} == {"whole"}
    obstore.put(LocalStore(tmp_path / "store"), "car-loan/versions/00000001/model.txt", b"model X")
    result = CliRunner().invoke(app, ["verify", "--json"])
    assert result.exit_code == 1
    findings = [row["finding"] for row in json.loads(result.stdout)]
    assert "SHA-256" in findings[0]
    assert findings[1] == "whole"


def test_diff_names_what_differs_and_show_the_manifest(registry: ModelRegistry) -> None:
    """By its path in the manifest."""
    assert {row["property"] for row in json.loads(_run("diff", "1", "2", "--json"))} == {"version", "file.sha256"}
    assert Manifest.from_json(_run("show", "2").encode()) == registry.manifest(2)
    assert "car-loan" in _run("list")


def test_evidence_is_printed_as_it_lies_there_and_its_absence_told(
    registry: ModelRegistry, describe: Callable[[int, ModelFile], Manifest]
) -> None:
    """The first version was compared with nothing."""
    registry.publish(b"model 3", describe, lambda _: {"evidence.json": b'{"passed": false}'})
    assert json.loads(_run("evidence", "3")) == {"passed": False}
    with pytest.raises(ModelRefusedError, match=r"00000001/evidence.json does not exist"):
        _run("evidence", "1")
