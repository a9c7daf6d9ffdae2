"""Gives a registry its first champion."""

from dataclasses import dataclass

import structlog
from lifecycle.manifest import REFERENCE_FILE_NAME, Manifest, ModelFile
from lifecycle.registry import ChampionChangedError, ModelRegistry

from retraining.description import Origin, describe_version
from retraining.progress import progress
from retraining.provenance import code_version
from retraining.recipe import read_recipe, recipe_folder
from retraining.reference import reference_file
from retraining.settings import RetrainingSettings
from retraining.source import data_sha256, in_folder, own_dataset
from retraining.training import train


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """The champion after the run, and whether this run made it so."""

    champion: int
    promoted: bool


def bootstrap(registry: ModelRegistry, settings: RetrainingSettings) -> Bootstrapped:
    """Trains on the reference data, publishes, and promotes, unless there is a champion.

    Safe to run again after any interruption, and several at once: training gives the same bytes each time, so a later
    run finds and completes what an earlier one left, and the champion pointer is only ever created.

    Raises:
        RecipeError, ReferenceDataError, DatasetError: there is nothing to train on.
        StoreUnavailableError, ModelRefusedError, RegistryFullError: the registry cannot be read or written.
    """
    log = structlog.stdlib.get_logger().bind(model=registry.model)
    champion = registry.champion()
    if champion is not None:
        log.info("champion_present", version=champion.version)
        return Bootstrapped(champion.version, promoted=False)
    recipe = read_recipe(settings.models_folder, registry.model)
    dataset = own_dataset(recipe, settings.models_folder, in_folder(settings.data_folder))
    log.info("training_started", rows=len(dataset), rounds=recipe.rounds, num_threads=settings.num_threads)
    trained = train(
        dataset, recipe, num_threads=settings.num_threads, device_type=settings.device_type, on_round=progress(log)
    )
    log.info("training_done", rows=len(trained.train), holdout_rows=len(trained.holdout), **trained.metrics)
    code = code_version(recipe_folder(settings.models_folder, registry.model))
    text = trained.text.encode()
    origin = Origin(data_sha256=data_sha256(recipe, dataset), code_version=code, parent_version=None)

    def describe(version: int, file: ModelFile) -> Manifest:
        return describe_version(trained, recipe, origin, version, file)

    def beside(version: int) -> dict[str, bytes]:
        return {REFERENCE_FILE_NAME: reference_file(trained, describe(version, ModelFile.of(text)))}

    published = registry.publish(text, describe, beside)
    log.info("version_published", version=published.version, created=published.created)
    try:
        registry.promote(published.version, replacing=None, actor="bootstrap", reason="the first version")
    except ChampionChangedError:
        champion = registry.champion()
        if champion is None:
            raise
        log.info("champion_present", version=champion.version)
        return Bootstrapped(champion.version, promoted=False)
    log.info("champion_promoted", version=published.version)
    return Bootstrapped(published.version, promoted=True)
