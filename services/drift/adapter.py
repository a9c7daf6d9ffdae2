"""NannyML, behind functions that fit to a reference and give measures. The only file that knows it."""

import math
import os
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from drift.findings import Family, Measure
from drift.settings import Bounds

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"


class _NoAutoMl:
    def __init__(self, *_: object, **__: object) -> None:
        message = "AutoML is left out of this service: tune_hyperparameters must stay False"
        raise NotImplementedError(message)


# NannyML imports them for tuning and for plots, which nothing here asks for. The first's dependencies would be most of
# the image; to load the others took half of the four seconds that an evaluation imported for.
_LEFT_OUT: Final = ("flaml", "matplotlib", "matplotlib.colors", "seaborn", "statsmodels", "statsmodels.api")
_stand_ins: Final = {name: types.ModuleType(name) for name in _LEFT_OUT if name not in sys.modules}
sys.modules |= _stand_ins
vars(sys.modules["flaml"]).setdefault("AutoML", _NoAutoMl)

import nannyml  # type: ignore[import-untyped] # noqa: E402 - after its stand-ins
from nannyml.chunk import Chunk as NannyChunk  # type: ignore[import-untyped] # noqa: E402
from nannyml.chunk import Chunker  # noqa: E402
from nannyml.drift.multivariate.domain_classifier.calculator import (  # type: ignore[import-untyped] # noqa: E402
    DEFAULT_LGBM_HYPERPARAMS as _NANNYML_PARAMETERS,
)
from nannyml.thresholds import ConstantThreshold  # type: ignore[import-untyped] # noqa: E402

for _name in _stand_ins:  # whoever else asks for one is to have it, or to be told that it is not there
    del sys.modules[_name]

Frame = Any
"""A pandas DataFrame."""

Thresholds: TypeAlias = Mapping[str, Bounds]
"""Constant ones by method or metric; the others come from the reference."""

Calculation: TypeAlias = Callable[[Frame, Sequence[int]], list[Measure]]
"""Measures rows, which are chunks of these sizes one after another."""

METRICS: Final[Mapping[str, Sequence[str]]] = {
    "binary": ("roc_auc", "f1", "accuracy"),
    "multiclass": ("roc_auc", "f1", "accuracy"),
    "regression": ("mae", "rmse"),
}
"""Performance is measured by these; a ranking model's is not."""

_LIGHTGBM: Final[dict[str, Any]] = {"n_jobs": 1, "verbosity": -1}
"""Threads that wait by spinning made it ten times slower on a busy node. The rest is as NannyML has it."""

_PROBLEMS: Final = {
    "binary": "classification_binary",
    "multiclass": "classification_multiclass",
    "regression": "regression",
}


class _Sizes(Chunker):  # type: ignore[misc] # NannyML has no types
    """Chunks of given sizes: those that the service closed."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self._sizes = sizes

    def _split(self, data: Frame) -> list[Any]:
        ends = [sum(self._sizes[: place + 1]) for place in range(len(self._sizes))]
        return [
            NannyChunk(key=str(place), data=data.iloc[end - size : end], start_index=end - size, end_index=end - 1)
            for place, (size, end) in enumerate(zip(self._sizes, ends, strict=True))
        ]


def univariate(
    reference: Frame, column: str, *, categorical: bool, method: str, size: int, thresholds: Thresholds
) -> Calculation:
    """How far each chunk of a column lies from the reference."""
    kind = "categorical" if categorical else "continuous"
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=[column],
        treat_as_categorical=[column] if categorical else None,
        chunk_size=size,
        thresholds=_constant(thresholds, [method]),
        **{f"{kind}_methods": [method]},
    )
    return _fitted(calculator, reference, [column], "univariate", column, {method: (column, method)})


def multivariate(reference: Frame, columns: list[str], size: int, thresholds: Thresholds) -> Calculation:
    """The reconstruction error of each chunk after PCA."""
    method = "pca_reconstruction_error"
    calculator = nannyml.DataReconstructionDriftCalculator(
        column_names=columns,
        chunk_size=size,
        **({"threshold": _bounds(thresholds[method])} if method in thresholds else {}),
    )
    return _fitted(calculator, reference, columns, "multivariate", "", {method: ("reconstruction_error",)})


def domain_classifier(reference: Frame, columns: list[str], size: int, thresholds: Thresholds) -> Calculation:
    """How well a classifier tells each chunk from the reference: an area under the ROC curve, 0.5 for not at all."""
    method = "domain_classifier_auroc"
    calculator = nannyml.DomainClassifierCalculator(
        feature_column_names=columns,
        hyperparameters={name: value for name, value in _NANNYML_PARAMETERS.items() if name != "silent"} | _LIGHTGBM,
        chunk_size=size,
        **({"threshold": _bounds(thresholds[method])} if method in thresholds else {}),
    )
    return _fitted(calculator, reference, columns, "multivariate", "", {method: (method,)})


def estimated(
    reference: Frame, objective: str, features: list[str], classes: int, size: int, thresholds: Thresholds
) -> Calculation:
    """Performance without labels: CBPE for classes, DLE for numbers."""
    common = _performance(objective, size, thresholds)
    if objective == "regression":
        calculator = nannyml.DLE(feature_column_names=features, hyperparameters=dict(_LIGHTGBM), **common)
        columns = features
    else:
        calculator = nannyml.CBPE(
            problem_type=_PROBLEMS[objective], y_pred_proba=_probabilities(objective, classes), **common
        )
        columns = _outputs(objective, classes)
    needed = list(dict.fromkeys([*columns, "predicted", "label"]))
    return _fitted(calculator, reference, needed, "estimated_performance", "", _metrics(objective))


def realized(reference: Frame, objective: str, classes: int, size: int, thresholds: Thresholds) -> Calculation:
    """Performance by the labels that are there; rows without one are left out."""
    proba = {} if objective == "regression" else {"y_pred_proba": _probabilities(objective, classes)}
    calculator = nannyml.PerformanceCalculator(
        problem_type=_PROBLEMS[objective], **_performance(objective, size, thresholds), **proba
    )
    columns = [] if objective == "regression" else _outputs(objective, classes)
    needed = list(dict.fromkeys([*columns, "predicted", "label"]))
    return _fitted(calculator, reference, needed, "realized_performance", "", _metrics(objective))


def _performance(objective: str, size: int, thresholds: Thresholds) -> dict[str, Any]:
    metrics = list(METRICS[objective])
    return {
        "metrics": metrics,
        "y_true": "label",
        "y_pred": "predicted",
        "chunk_size": size,
        "thresholds": _constant(thresholds, metrics),
    }


def _metrics(objective: str) -> dict[str, tuple[str, ...]]:
    return {metric: (metric,) for metric in METRICS[objective]}


def _probabilities(objective: str, classes: int) -> str | dict[int, str]:
    return "output" if objective == "binary" else dict(enumerate(_outputs(objective, classes)))


def _outputs(objective: str, classes: int) -> list[str]:
    return ["output"] if objective == "binary" else [f"output.{index}" for index in range(classes)]


def _constant(thresholds: Thresholds, methods: Sequence[str]) -> dict[str, Any] | None:
    return {method: _bounds(thresholds[method]) for method in methods if method in thresholds} or None


def _bounds(bounds: Bounds) -> Any:  # noqa: ANN401 - NannyML has no types
    return ConstantThreshold(lower=bounds.lower, upper=bounds.upper)


def _fitted(
    calculator: Any,  # noqa: ANN401 - NannyML has no types
    reference: Frame,
    columns: list[str],
    family: Family,
    column: str,
    paths: Mapping[str, tuple[str, ...]],
) -> Calculation:
    with _quiet():
        calculator.fit(reference[columns])
    calculate: Callable[[Frame], Any] = getattr(calculator, "estimate", None) or calculator.calculate

    def measure(rows: Frame, sizes: Sequence[int]) -> list[Measure]:
        calculator.chunker = _Sizes(sizes)
        with _quiet():
            found = calculate(rows[[name for name in columns if name in rows]])
        # After the reference's chunks; `filter` looks for them by their period and copies everything.
        table = found.to_df().tail(len(sizes))
        return [one for method, path in paths.items() for one in _measures(table, family, column, method, path)]

    return measure


class _quiet(warnings.catch_warnings):  # noqa: N801 - used as a function is
    """NannyML warns of its own small print, through `warnings`, at each call."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")


def _measures(found: Frame, family: Family, column: str, method: str, path: tuple[str, ...]) -> Iterator[Measure]:
    # Lists, because a row of a frame takes a tenth of a millisecond and there are a thousand of them in a partition.
    known = {name[len(path)]: found[name].tolist() for name in found.columns if name[: len(path)] == path}

    def numbers(*wanted: str) -> list[float]:
        present = next((known[name] for name in wanted if name in known), [None] * len(found))
        return [math.nan if number is None else float(number) for number in present]

    rows = zip(
        numbers("value"),
        numbers("lower_threshold"),
        numbers("upper_threshold"),
        numbers("lower_confidence_boundary", "lower_confidence_bound"),
        numbers("upper_confidence_boundary", "upper_confidence_bound"),
        known["alert"],
        strict=True,
    )
    for position, (value, lower, upper, lowest, highest, alert) in enumerate(rows):
        yield Measure(
            position,
            family,
            column.removeprefix("feature."),
            method,
            value,
            lower,
            upper,
            lowest,
            highest,
            # Where NannyML could not compute a value, it says NaN, which is true.
            alert=not math.isnan(value) and bool(alert),
        )
