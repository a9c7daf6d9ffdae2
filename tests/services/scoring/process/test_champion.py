"""A champion that is not what it should be, met while another serves: refused once, told why, and got over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lifecycle.features import FeatureSchema
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.registry import ModelRegistry
from retraining.training import Trained
from tests.services.scoring.process.object_store import ObjectStoreServer
from tests.services.scoring.process.service import Service, eventually

StartService = Callable[..., Service]
Describe = Callable[[int, ModelFile], Manifest]

VERSION = "car-loan/versions/00000002"


def _model(buckets: Path) -> Path:
    return buckets / "models" / VERSION / "model.txt"


def _manifest(buckets: Path) -> Path:
    return buckets / "models" / VERSION / "manifest.json"


def _truncate(buckets: Path) -> None:
    _model(buckets).write_bytes(_model(buckets).read_bytes()[:-100])


def _tamper(buckets: Path) -> None:
    _model(buckets).write_bytes(_model(buckets).read_bytes()[:-1] + b"!")


def _lose_the_model(buckets: Path) -> None:
    _model(buckets).unlink()


def _garble_the_manifest(buckets: Path) -> None:
    _manifest(buckets).write_bytes(b"{")


def _lose_the_manifest(buckets: Path) -> None:
    _manifest(buckets).unlink()


def _of_another_schema(manifest: Manifest) -> Manifest:
    first, *others = manifest.feature_schema.features
    renamed = FeatureSchema(features=(first.model_copy(update={"name": "renamed"}), *others))
    parity = tuple(
        row.model_copy(update={"features": {"renamed": row.features[first.name]} | _without(row.features, first.name)})
        for row in manifest.parity
    )
    return manifest.model_copy(update={"feature_schema": renamed, "parity": parity})


def _answering_otherwise(manifest: Manifest) -> Manifest:
    wrong = [row.model_copy(update={"outputs": ((0.123).hex(),)}) for row in manifest.parity]
    return manifest.model_copy(update={"parity": tuple(wrong)})


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def _unchanged(manifest: Manifest) -> Manifest:
    return manifest


@pytest.mark.parametrize(
    ("cause", "text", "describe_as", "spoil"),
    [
        ("size_mismatch", None, _unchanged, _truncate),
        ("sha256_mismatch", None, _unchanged, _tamper),
        ("model_missing", None, _unchanged, _lose_the_model),
        ("manifest_invalid", None, _unchanged, _garble_the_manifest),
        ("manifest_missing", None, _unchanged, _lose_the_manifest),
        ("model_unreadable", "version=v99\nnot a model of today\n", _unchanged, None),
        ("parity_mismatch", None, _answering_otherwise, None),
        ("schema_mismatch", None, _of_another_schema, None),
        ("schema_incompatible", "first feature renamed", _of_another_schema, None),
    ],
)
def test_a_broken_champion_is_refused_once_and_the_one_before_serves(  # noqa: PLR0913, PLR0917 - a table and its fixtures
    start: StartService,
    object_store: ObjectStoreServer,
    tmp_path: Path,
    trained: Trained,
    describe: Describe,
    row: dict[str, Any],
    cause: str,
    text: str | None,
    describe_as: Callable[[Manifest], Manifest],
    spoil: Callable[[Path], None] | None,
) -> None:
    """The cause is in the metric and in one line of the log, however often the pointer is looked at."""
    service = start(**object_store.environment, SCORING_POLL_SECONDS="0.05")
    service.wait_until("/ready", 200)
    first = trained.train.schema.names[0]
    if cause == "schema_incompatible":
        text = trained.text.replace(f"feature_names={first} ", "feature_names=renamed ")
        assert text != trained.text
    text = f"{trained.text}\n" if text is None else text
    registry = ModelRegistry(object_store.bucket("models"), "car-loan")
    published = registry.publish(text.encode(), lambda number, file: describe_as(describe(number, file)))
    assert published.version == 2
    if spoil is not None:
        spoil(tmp_path / "buckets")
    registry.promote(2, replacing=registry.champion())
    eventually(lambda: service.metric("scoring_model_refusals_total", cause=cause) > 0, f"refused for {cause}")
    for _ in range(20):  # a second or more of looks
        status, answer = service.predict(row)
        assert (status, answer["model"]["version"]) == (200, 1)
        service.wait_until("/ready", 200)
    # A look after the refusal that finds a good one: whatever was between was a look at the refused one.
    good = registry.publish(f"{trained.text}\n\n".encode(), describe)
    registry.promote(good.version, replacing=registry.champion())
    eventually(lambda: service.predict(row)[1]["model"]["version"] == good.version, "the next one is served")
    assert service.metric("scoring_model_refusals_total") == 1
    assert service.metric("scoring_model_swaps_total", outcome="refused") == 1
    refusals = [(line["cause"], line["version"], line["level"]) for line in service.events("model_refused")]
    assert refusals == [(cause, 2, "error")]
    assert service.terminate() == 0


def test_a_store_that_goes_away_leaves_the_champion_serving(
    start: StartService, object_store: ObjectStoreServer, trained: Trained, describe: Describe, row: dict[str, Any]
) -> None:
    """The log says so once; a champion promoted after it is back is served."""
    service = start(**object_store.environment, SCORING_POLL_SECONDS="0.05")
    service.wait_until("/ready", 200)
    object_store.stop()
    eventually(lambda: service.events("champion_unknown") != [], "the store's absence is met")
    assert service.predict(row)[0] == 200
    service.wait_until("/ready", 200)
    object_store.start()
    registry = ModelRegistry(object_store.bucket("models"), "car-loan")
    good = registry.publish(f"{trained.text}\n".encode(), describe)
    registry.promote(good.version, replacing=registry.champion())
    eventually(lambda: service.predict(row)[1]["model"]["version"] == good.version, "the next one is served")
    assert len(service.events("champion_unknown")) == 1
    assert service.metric("scoring_model_swaps_total", outcome="refused") == 0
    assert service.terminate() == 0
