"""Gives a registry its first champion."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from lifecycle.manifest import Manifest, ModelFile, TrainingFacts
from lifecycle.registry import ChampionChangedError, ModelRegistry

from retraining.dataset import read_dataset
from retraining.provenance import code_version, library_versions
from retraining.recipe import Recipe, read_recipe, recipe_folder
from retraining.reference_data import verified
from retraining.settings import RetrainingSettings
from retraining.training import Trained, train

_PROGRESS_STEPS = 10
"""Progress lines a training writes."""


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
    dataset = read_dataset(verified(recipe.data, settings.data_folder), recipe)
    log.info("training_started", rows=len(dataset), rounds=recipe.rounds, num_threads=settings.num_threads)
    trained = train(dataset, recipe, num_threads=settings.num_threads, on_round=_progress(log))
    log.info(
        "training_done", rows=len(trained.train), holdout_rows=len(trained.holdout), **trained.metrics.model_dump()
    )
    code = code_version(recipe_folder(settings.models_folder, registry.model))
    published = registry.publish(
        trained.text.encode(), lambda version, file: _manifest(trained, recipe, version=version, file=file, code=code)
    )
    log.info("version_published", version=published.version, created=published.created)
    try:
        registry.promote(published.version, replacing=None)
    except ChampionChangedError:
        champion = registry.champion()
        if champion is None:
            raise
        log.info("champion_present", version=champion.version)
        return Bootstrapped(champion.version, promoted=False)
    log.info("champion_promoted", version=published.version)
    return Bootstrapped(published.version, promoted=True)


def _manifest(trained: Trained, recipe: Recipe, *, version: int, file: ModelFile, code: str) -> Manifest:
    return Manifest(
        model=recipe.name,
        version=version,
        objective="binary",
        file=file,
        feature_schema=trained.train.schema,
        classes=recipe.classes,
        threshold=recipe.threshold,
        training=TrainingFacts(
            rows=len(trained.train),
            window=trained.train.window,
            holdout_rows=len(trained.holdout),
            holdout_window=trained.holdout.window,
            data_sha256=recipe.data.sha256,
            seed=recipe.seed,
            parameters=trained.parameters,
            metrics=trained.metrics,
            code_version=code,
            library_versions=library_versions(),
            created_at=datetime.now(UTC).replace(microsecond=0),
            parent_version=None,
        ),
        parity=trained.parity,
    )


def _progress(log: structlog.stdlib.BoundLogger) -> Callable[[int, int], None]:
    started = time.monotonic()

    def report(done: int, rounds: int) -> None:
        if done % max(1, rounds // _PROGRESS_STEPS) == 0 or done == rounds:
            elapsed_seconds = time.monotonic() - started
            rest_seconds = elapsed_seconds / done * (rounds - done)
            log.info(
                "training_progress",
                rounds_done=done,
                rounds=rounds,
                elapsed_seconds=round(elapsed_seconds, 1),
                rest_seconds=round(rest_seconds, 1),
            )

    return report
