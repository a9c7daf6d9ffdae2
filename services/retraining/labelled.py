"""What a challenger is trained and judged on: the predictions of a window whose truth is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.manifest import TimeWindow
from lifecycle.prediction_log import FEATURE_PREFIX, REQUEST_DIGITS, PredictionLog

from retraining.dataset import Dataset, DatasetError, encode, labels_fit, labels_wanted
from retraining.recipe import Recipe

RefusalCause: TypeAlias = Literal[
    "no_champion",
    "no_predictions",
    "window_wider_than_data",
    "no_labels",
    "labels_invalid",
    "labels_unknown",
    "labels_contradict",
    "too_few_rows",
    "one_class",
    "no_fresh_rows",
    "data_invalid",
    "same_model",
    "champion_changed",
    "rollout_running",
    "gates",
    "dry_run",
]
"""Why a run ended without a promotion."""


class RunRefusedError(Exception):
    """There is nothing to train or to promote; the champion stays."""

    def __init__(self, cause: RefusalCause, message: str, figures: Mapping[str, float] | None = None) -> None:
        """Args: the cause, one of a fixed list; what was found and what would do; the numbers behind it."""
        super().__init__(message)
        self.cause: Final = cause
        self.figures: Final = dict(figures or {})


@dataclass(frozen=True)
class Labelled:
    """Rows whose truth is known, in order of time, and how they were come by."""

    dataset: Dataset
    window: TimeWindow
    figures: dict[str, float]
    """How many predictions, labels and rows there were of each kind."""


@dataclass(frozen=True, kw_only=True)
class WindowRequest:
    """Which predictions are asked for.

    Attributes:
        until: exclusive; labels received from then on are not looked at either.
        days: how far back at most; a younger log gives what it has.
        since: where to begin, in place of `days`; a younger log is refused.
    """

    until: datetime
    days: float
    since: datetime | None = None


def read_labelled(log: PredictionLog, recipe: Recipe, request: WindowRequest) -> Labelled:
    """Reads the window and joins it with its labels.

    A prediction that was given differing labels is left out: its truth is not known.

    Raises:
        RunRefusedError: the window holds nothing to train on, or too much of it is in doubt.
        StoreUnavailableError: the store does not answer.
    """
    window = _window(log, request)
    columns = {f"{FEATURE_PREFIX}{column.name}": column.name for column in recipe.features}
    found = log.predictions(window.start, window.end, list(columns))
    labels = log.labels(window.start, window.end)
    figures: dict[str, float] = {
        "predictions": found.table.num_rows,
        "labels": labels.table.num_rows,
        "broken_parts": len(found.broken) + len(labels.broken),
    }
    if found.table.num_rows == 0:
        broken = f"; {found.broken[0].key}: {found.broken[0].reason}" if found.broken else ""
        message = f"there is no prediction from {window.start:%F %T} to {window.end:%F %T} UTC{broken}"
        raise RunRefusedError("no_predictions", message, figures)
    if labels.table.num_rows == 0:
        message = f"none of the {found.table.num_rows} predictions of the window has a label; send them to /v1/labels"
        raise RunRefusedError("no_labels", message, figures)
    known = _known_labels(log, window, found.table, labels.table, recipe, figures)
    joined = found.table.join(known, "prediction_id", join_type="inner").sort_by(
        [("time", "ascending"), ("prediction_id", "ascending")]
    )
    table = joined.select(list(columns)).rename_columns(list(columns.values()))
    table = table.append_column(recipe.target, joined["label"])
    # As the recipe's own data has it: UTC, without a zone.
    table = table.append_column(recipe.time_column, joined["time"].cast(pa.timestamp("us")))
    figures["rows"] = table.num_rows
    if recipe.group_column is not None:
        request = pc.utf8_slice_codeunits(joined["prediction_id"], 0, REQUEST_DIGITS)
        table = table.append_column(recipe.group_column, request)
    if recipe.objective == "binary":
        ones = int(pc.sum(table[recipe.target]).as_py() or 0)
        figures["rows_of_rarer_class"] = min(ones, table.num_rows - ones)
        if figures["rows_of_rarer_class"] == 0:
            message = f"all {table.num_rows} labelled rows are of one class"
            raise RunRefusedError("one_class", message, figures)
    try:
        return Labelled(encode(table, recipe), window, figures)
    except DatasetError as error:
        raise RunRefusedError("data_invalid", str(error), figures) from None


def split_for(labelled: Labelled, recipe: Recipe, champion_trained_until: datetime) -> tuple[Dataset, Dataset]:
    """The older rows to train on, and the newest to judge by: none of these was the champion trained on either.

    Raises:
        RunRefusedError: too few rows are left to judge by, or one of the parts lacks a class.
    """
    dataset, limits = labelled.dataset, recipe.gates
    held_out = round(len(dataset) * recipe.holdout_fraction)
    if held_out < limits.least_rows:
        needed = int(np.ceil(limits.least_rows / recipe.holdout_fraction))
        message = f"{len(dataset)} labelled rows; {needed} are needed, of which {limits.least_rows} are held out"
        raise RunRefusedError("too_few_rows", message, labelled.figures)
    seen_until = np.datetime64(champion_trained_until.astimezone(UTC).replace(tzinfo=None), "us")
    first_unseen = int(np.searchsorted(dataset.moments.astype("datetime64[us]"), seen_until, side="right"))
    cut = dataset.list_start(max(len(dataset) - held_out, first_unseen))
    older, newest = dataset.slice(0, cut), dataset.slice(cut, len(dataset))
    if len(newest) < limits.least_rows:
        message = (
            f"{len(newest)} labelled rows are newer than what the champion was trained on, up to "
            f"{champion_trained_until:%F %T} UTC; {limits.least_rows} are needed"
        )
        raise RunRefusedError("no_fresh_rows", message, labelled.figures | {"fresh_rows": len(newest)})
    for name, part in (("older", older), ("newest", newest)):
        if not part.tells_apart:
            message = f"the {len(part)} {name} labelled rows are all of one class"
            if recipe.objective != "binary":
                message = f"the labels of the {len(part)} {name} labelled rows do not differ"
            raise RunRefusedError("one_class", message, labelled.figures)
    return older, newest


def _window(log: PredictionLog, request: WindowRequest) -> TimeWindow:
    first = log.first_hour()
    if first is None or first >= request.until:
        message = f"the prediction log of {log.model} is empty up to {request.until:%F %T} UTC"
        raise RunRefusedError("no_predictions", message)
    if request.since is not None:
        if request.since < first:
            message = f"the window begins at {request.since:%F %T}, the log at {first:%F %T} UTC; ask for a later begin"
            raise RunRefusedError("window_wider_than_data", message)
        if request.since >= request.until:
            message = f"the window begins at {request.since:%F %T}, which is not before its end, {request.until:%F %T}"
            raise RunRefusedError("no_predictions", message)
        return TimeWindow(start=request.since, end=request.until)
    return TimeWindow(start=max(first, request.until - timedelta(days=request.days)), end=request.until)


def _known_labels(
    log: PredictionLog,
    window: TimeWindow,
    predictions: Any,  # noqa: ANN401 - an arrow table; pyarrow ships no types
    labels: Any,  # noqa: ANN401 - likewise
    recipe: Recipe,
    figures: dict[str, float],
) -> Any:  # noqa: ANN401 - likewise
    """The labels that can be believed: `prediction_id` and `label`."""
    limits = recipe.gates
    ours = pc.is_in(labels["prediction_id"], value_set=predictions["prediction_id"].combine_chunks())
    known = labels.filter(ours).select(["prediction_id", "label"])
    figures["labels_unknown"] = labels.num_rows - known.num_rows
    if figures["labels_unknown"] > limits.unknown_label_share * labels.num_rows:
        message = (
            f"{labels.num_rows - known.num_rows} of {labels.num_rows} labels belong to no prediction of the window, "
            f"at most {limits.unknown_label_share:.0%} may"
        )
        raise RunRefusedError("labels_unknown", message, figures)
    invalid = int((~labels_fit(recipe, known["label"].to_numpy())).sum())
    if invalid:
        message = f"{invalid} labels are not as they must be: {labels_wanted(recipe)}"
        if recipe.objective == "binary":
            message = f"{invalid} labels are neither 0 nor 1, the indices of {', '.join(recipe.classes)}"
        raise RunRefusedError("labels_invalid", message, figures | {"labels_invalid": invalid})
    disputed = pc.unique(log.conflicts(window.start, window.end)["prediction_id"])
    doubtful = pc.is_in(known["prediction_id"], value_set=disputed)
    figures["labels_contradicting"] = int(pc.sum(doubtful).as_py() or 0)
    if figures["labels_contradicting"] > limits.contradicting_share * known.num_rows:
        message = (
            f"{figures['labels_contradicting']:.0f} of {known.num_rows} labelled predictions were given differing "
            f"labels, at most {limits.contradicting_share:.0%} may be"
        )
        raise RunRefusedError("labels_contradict", message, figures)
    return known.filter(pc.invert(doubtful))
