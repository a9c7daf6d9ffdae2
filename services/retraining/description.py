"""What a version says of itself."""

from dataclasses import dataclass
from datetime import UTC, datetime

from lifecycle.guard import fit_guard
from lifecycle.manifest import Manifest, ModelFile, TrainingFacts, Version

from retraining.provenance import library_versions
from retraining.recipe import Recipe
from retraining.training import Trained


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a version comes from.

    Attributes:
        data_sha256: of what it was trained and measured on.
        code_version: of the sources that trained it.
        parent_version: the champion at the time; none for the first.
    """

    data_sha256: str
    code_version: str
    parent_version: Version | None


def describe_version(trained: Trained, recipe: Recipe, origin: Origin, version: int, file: ModelFile) -> Manifest:
    """The manifest of a version."""
    return Manifest(
        model=recipe.name,
        version=version,
        objective=recipe.objective,
        file=file,
        feature_schema=trained.train.schema,
        classes=recipe.classes,
        threshold=recipe.threshold,
        guard=None
        if recipe.guard is None
        else fit_guard(trained.train.matrix, trained.train.schema, recipe.guard.anomaly_margin),
        training=TrainingFacts(
            rows=len(trained.train),
            window=trained.train.window,
            holdout_rows=len(trained.holdout),
            holdout_window=trained.holdout.window,
            data_sha256=origin.data_sha256,
            seed=recipe.seed,
            parameters=trained.parameters,
            metrics=trained.metrics,
            code_version=origin.code_version,
            library_versions=library_versions(),
            created_at=datetime.now(UTC).replace(microsecond=0),
            parent_version=origin.parent_version,
        ),
        parity=trained.parity,
    )
