"""What a challenger must keep to; a recipe may set others."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class GateLimits(BaseModel):
    """The limits of the gates, and of the labelled rows that are trained and judged on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    least_rows: Annotated[int, Field(ge=1)] = 500
    """Of the holdout."""
    least_rows_of_a_class: Annotated[int, Field(ge=1)] = 50
    """Binary models."""
    least_lists: Annotated[int, Field(ge=1)] = 50
    """Ranking models: requests whose labelled candidates differ."""
    auc_margin: Annotated[float, Field(ge=0, lt=1)] = 0.005
    """How much AUC the lower end of the interval of the difference may lose."""
    average_precision_margin: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Likewise of average precision, where the recipe's metric is that; it rests on few rows and varies more."""
    ndcg_margin: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Likewise of NDCG."""
    mae_margin: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Likewise of the mean absolute error, as a share of the champion's."""
    slice_margin: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """How much of the metric a slice may lose."""
    brier_margin: Annotated[float, Field(ge=0, lt=1)] = 0.005
    calibration_error_limit: Annotated[float, Field(gt=0, lt=1)] = 0.05
    mean_shift_limit: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """How far the mean prediction may lie from the share of class 1; of a regression, from the mean label, in standard
    deviations of the labels."""
    least_spread: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Standard deviation of the predictions: a constant answer is no model. Of a regression, as a share of the labels';
    of a ranking, within a list."""
    leak_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.995
    """AUC of the whole model, or of one feature alone, from which on the label is taken to have leaked; of a regression
    the share of the variance that is explained, of a ranking NDCG."""
    row_microseconds: Annotated[float, Field(gt=0)] = 500
    """One row through the fast call, the median: a request's own share is about as much."""
    memory_mib: Annotated[float, Field(gt=0)] = 64
    """What a loaded model takes; a pod that swaps holds two."""
    contradicting_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Of the labelled predictions, those that were given differing labels; they are left out."""
    unknown_label_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Of the labels, those whose prediction is not in the window: some were answered before it began."""
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 500
    seed: Annotated[int, Field(ge=0)] = 0
