"""What is measured of a model's rows, column by column, each calculation fitted to the reference once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self

import pandas as pd  # type: ignore[import-untyped] # pandas ships no types
import structlog
from lifecycle.features import Feature, NumericFeature
from lifecycle.logs import error_facts
from lifecycle.manifest import Manifest
from lifecycle.prediction_log import FEATURE_PREFIX
from lifecycle.registry import ModelRefusedError, ModelRegistry

from drift import adapter
from drift.findings import Measure
from drift.frames import frame, output_columns
from drift.quality import column_quality, odd_rows
from drift.settings import DriftSettings

_CLASSES_TO_TELL_APART: Final = 2
_REFERENCE_CHUNKS: Final = 10
"""Fewer give thresholds that say little: they are the mean and the deviation of the reference's own chunks."""
_LEAST_SIZE: Final = 100


@dataclass
class Measurement:
    """The calculations of one version of a model."""

    settings: DriftSettings
    manifest: Manifest
    reference: Any
    """A pandas frame, as `frames.frame` gives it, with labels."""
    size: int
    """Rows of a chunk of the reference."""
    failed: dict[str, str] = field(default_factory=dict)
    """Calculations that failed, by name, and the kind of error; the others went on."""
    _fitted: dict[str, adapter.Calculation] = field(default_factory=dict)
    _odd: dict[str, dict[str, int]] = field(default_factory=dict)
    """By column, how many rows of the reference are odd."""

    @classmethod
    def of(cls, registry: ModelRegistry, version: int, settings: DriftSettings) -> Self | None:
        """The calculations of a version, by its own reference; None where it has none, or too little of one.

        Raises:
            ModelRefusedError: the version is not what the registry says it is.
        """
        manifest = registry.manifest(version)
        try:
            known = registry.reference(version)
        except ModelRefusedError as error:
            if error.cause != "reference_missing":
                raise
            return None
        size = min(settings.chunk_rows, known.num_rows // _REFERENCE_CHUNKS)
        return cls(settings, manifest, frame(known, manifest), size) if size >= _LEAST_SIZE else None

    def __getstate__(self) -> dict[str, Any]:
        """As it goes to another process: a calculation is fitted where it is used."""
        return self.__dict__ | {"failed": {}, "_fitted": {}}

    @cached_property
    def _features(self) -> dict[str, Feature]:
        """By the column's name."""
        return {f"{FEATURE_PREFIX}{feature.name}": feature for feature in self.manifest.feature_schema.features}

    @cached_property
    def one_class(self) -> bool:
        """Whether the reference's labels are all of one class, which leaves nothing to measure performance by."""
        classes = self.reference["label"].dropna().nunique()
        return bool(self.manifest.classes) and bool(classes < _CLASSES_TO_TELL_APART)

    @property
    def measures_performance(self) -> bool:
        """Whether performance can be told: not of a ranking, and not by labels of one class."""
        return self.manifest.objective in adapter.METRICS and not self.one_class

    def measure(self, rows: Any, sizes: Sequence[int]) -> list[Measure]:  # noqa: ANN401 - a pandas frame
        """Everything that needs no labels, of rows that are chunks of these sizes."""
        measures = [measure for name in self.columns for measure in self.column(name, rows, sizes)]
        return measures + self.together(rows, sizes)

    @property
    def columns(self) -> list[str]:
        """What is measured one by one: the features, then what the model answered."""
        return [*self._features, *output_columns(self.manifest)]

    def column(self, name: str, rows: Any, sizes: Sequence[int]) -> list[Measure]:  # noqa: ANN401 - a pandas frame
        """Data quality and univariate drift of one column, of rows that may have no other."""
        feature = self._features.get(name)
        if feature is None:
            return self._univariate(name, rows, sizes, categorical=False)
        if name not in self._odd:
            self._odd[name] = odd_rows(feature, self.reference[name])
        measures = column_quality(feature, self._odd[name], len(self.reference), rows[name], sizes)
        if self._has_values(name, rows, sizes):
            measures += self._univariate(name, rows, sizes, categorical=not isinstance(feature, NumericFeature))
        return measures

    def together(self, rows: Any, sizes: Sequence[int]) -> list[Measure]:  # noqa: ANN401 - a pandas frame
        """What all columns say together: multivariate drift and estimated performance."""
        usable = [name for name in self._features if self._has_values(name, rows, sizes)]
        measures = self._multivariate(usable, rows, sizes)
        if self.measures_performance:
            objective, classes = self.manifest.objective, len(self.manifest.classes)
            key = ",".join(["estimated", *usable]) if objective == "regression" else "estimated"
            measures += self._calculated(
                key,
                lambda: adapter.estimated(
                    self.reference, objective, usable, classes, self.size, self.settings.thresholds
                ),
                rows,
                sizes,
            )
        return measures

    def realized(self, rows: Any, sizes: Sequence[int]) -> list[Measure]:  # noqa: ANN401 - a pandas frame
        """Performance by labels, of rows that are chunks of these sizes."""
        objective, classes = self.manifest.objective, len(self.manifest.classes)
        return self._calculated(
            "realized",
            lambda: adapter.realized(self.reference, objective, classes, self.size, self.settings.thresholds),
            rows,
            sizes,
        )

    def _has_values(self, name: str, rows: Any, sizes: Sequence[int]) -> bool:  # noqa: ANN401 - a pandas frame
        """Whether there is something to compare in every chunk; where not, data quality says so."""
        column, first = rows[name], 0
        for size in sizes:
            if not _has_value(column.iloc[first : first + size]):
                return False
            first += size
        return _has_value(self.reference[name])

    def _univariate(self, name: str, rows: Any, sizes: Sequence[int], *, categorical: bool) -> list[Measure]:  # noqa: ANN401 - a pandas frame
        settings = self.settings
        default = settings.categorical_method if categorical else settings.continuous_method
        method = settings.column_methods.get(name.removeprefix(FEATURE_PREFIX), default)
        return self._calculated(
            f"{method} of {name}",
            lambda: adapter.univariate(
                self.reference,
                name,
                categorical=categorical,
                method=method,
                size=self.size,
                thresholds=settings.thresholds,
            ),
            rows,
            sizes,
        )

    def _multivariate(self, usable: list[str], rows: Any, sizes: Sequence[int]) -> list[Measure]:  # noqa: ANN401 - a pandas frame
        if len(usable) < 2:  # noqa: PLR2004 - of one column there is nothing to hold together
            return []
        columns, thresholds = ",".join(usable), self.settings.thresholds
        measures = self._calculated(
            f"reconstruction of {columns}",
            lambda: adapter.multivariate(self.reference, usable, self.size, thresholds),
            rows,
            sizes,
        )
        if self.settings.domain_classifier:
            measures += self._calculated(
                f"classifier of {columns}",
                lambda: adapter.domain_classifier(self.reference, usable, self.size, thresholds),
                rows,
                sizes,
            )
        return measures

    def _calculated(
        self,
        name: str,
        fit: Callable[[], adapter.Calculation],
        rows: Any,  # noqa: ANN401 - a pandas frame
        sizes: Sequence[int],
    ) -> list[Measure]:
        """One calculation's failure is noted and the others go on."""
        try:
            if name not in self._fitted:
                self._fitted[name] = fit()
            return self._fitted[name](rows, sizes)
        except Exception as error:  # noqa: BLE001 - a library over live data; the failure is counted and logged
            self.failed[name] = type(error).__name__
            log = structlog.stdlib.get_logger()
            log.warning("calculation_failed", model=self.manifest.model, calculation=name, **error_facts(error))
            return []


def _has_value(values: Any) -> bool:  # noqa: ANN401 - a pandas Series
    # Up to the first: to ask it of every string of a window and of the reference took as long as to read the window.
    return any(pd.notna(value) for value in values)
