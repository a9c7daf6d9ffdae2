"""The service over a log against NannyML run straight on the data frames: the car-loan data that NannyML ships."""

import os
import signal
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from distributed import LocalCluster
from drift.frames import frame
from drift.results import Results
from lifecycle.features import BooleanFeature, CategoricalFeature, Feature, FeatureSchema, NumericFeature
from lifecycle.manifest import ModelFile
from lifecycle.prediction_log import MOMENT
from tests.services.drift.replay import START, Replay, manifest

from drift import adapter

pytestmark = pytest.mark.engine  # tens of seconds of NannyML

nannyml: Any = vars(adapter)["nannyml"]
_NUMERIC = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure")
_CATEGORICAL = ("salary_range", "size_of_downpayment")
_BOOLEAN = "repaid_loan_on_prev_car"
_COLUMNS = [*(f"feature.{name}" for name in (*_NUMERIC, *_CATEGORICAL, _BOOLEAN)), "output"]
_METRICS = ["roc_auc", "f1", "accuracy"]

Frame = Any
"""A pandas frame."""


@pytest.fixture(scope="module")
def car_loans() -> tuple[Frame, Frame]:
    """The reference, and the analysis with its targets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference, analysis, targets = nannyml.load_synthetic_car_loan_dataset()
    return reference, analysis.assign(repaid=targets["repaid"])


def _schema(reference: Frame) -> FeatureSchema:
    numeric: list[Feature] = [
        NumericFeature(name=n, nullable=True, minimum=float(reference[n].min()), maximum=float(reference[n].max()))
        for n in _NUMERIC
    ]
    named: list[Feature] = [
        CategoricalFeature(name=n, nullable=True, categories=tuple(sorted(set(reference[n])))) for n in _CATEGORICAL
    ]
    return FeatureSchema(features=(*numeric, *named, BooleanFeature(name=_BOOLEAN, nullable=True)))


def _log_table(data: Frame) -> Any:  # noqa: ANN401 - a table
    count = len(data)
    return pa.table(
        {
            "prediction_id": [f"{place:032x}" for place in range(count)],
            "time": pa.array([START + timedelta(milliseconds=place * 200) for place in range(count)], MOMENT),
            "version": pa.array([1] * count, pa.int32()),
            "role": ["champion"] * count,
            "output": data["y_pred_proba"].to_numpy(float),
            "predicted": pa.nulls(count, pa.string()),
            **{f"feature.{name}": data[name].to_numpy(float) for name in _NUMERIC},
            **{f"feature.{name}": pa.array(data[name].tolist(), pa.string()) for name in _CATEGORICAL},
            f"feature.{_BOOLEAN}": pa.array(data[_BOOLEAN].to_numpy(bool)),
            "label": data["repaid"].to_numpy(float),
        }
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, car_loans: tuple[Frame, Frame]) -> Replay:
    """What one process finds in the analysis data, replayed as traffic."""
    return _served(tmp_path_factory.mktemp("car-loans"), *car_loans, rows=5000)


def _served(folder: Path, reference: Frame, traffic: Frame, rows: int, **options: object) -> Replay:
    """After an evaluation of the traffic, and another one of its labels."""
    replay = Replay(folder / "store", schema=_schema(reference), options={"chunk_rows": rows} | options)
    replay.publish(_log_table(reference))
    table = _log_table(traffic)
    replay.predict(table, part_rows=7000)
    assert replay.evaluate().rows == len(traffic)
    replay.label(table.take(pa.array(np.random.default_rng(1).permutation(table.num_rows))))
    outcome = replay.evaluate()
    assert (outcome.rows, outcome.targets_missing, outcome.failures) == (0, 0.0, {})
    return replay


def _frames(reference: Frame, traffic: Frame) -> tuple[Frame, Frame]:
    """The same data as NannyML is given it, without a log in between."""
    described = manifest(1, ModelFile.of(b"model"), schema=_schema(reference))
    known, now = frame(_log_table(reference), described), frame(_log_table(traffic), described)
    return known, now


def _straight(calculator: Any, known: Frame, now: Frame) -> Frame:  # noqa: ANN401 - NannyML has no types
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calculator.fit(known)
        found = calculator.estimate(now) if hasattr(calculator, "estimate") else calculator.calculate(now)
    return found.filter(period="analysis").to_df()


def test_the_service_flags_what_nannyml_flags(served: Replay, car_loans: tuple[Frame, Frame]) -> None:
    """All chunks and columns and no others; estimated and realized performance equal to 1e-9."""
    replay = served
    known, now = _frames(*car_loans)
    univariate = _straight(nannyml.UnivariateDriftCalculator(column_names=_COLUMNS, chunk_size=5000), known, now)
    wanted = {
        (chunk, column.removeprefix("feature."))
        for column in _COLUMNS
        for chunk in np.flatnonzero(univariate[(column, "jensen_shannon", "alert")])
    }
    assert len(wanted) > 10
    measures = replay.measures()
    flagged = {(row["chunk"], row["column"]) for row in measures if row["family"] == "univariate" and row["alert"]}
    assert flagged == wanted
    for column in _COLUMNS:
        ours = [row["value"] for row in replay.found("univariate", column.removeprefix("feature."), "jensen_shannon")]
        assert ours == pytest.approx(univariate[(column, "jensen_shannon", "value")].tolist(), abs=1e-9)

    features = [column for column in _COLUMNS if column != "output"]
    pca = _straight(nannyml.DataReconstructionDriftCalculator(column_names=features, chunk_size=5000), known, now)
    ours = replay.found("multivariate", "", "pca_reconstruction_error")
    assert [row["value"] for row in ours] == pytest.approx(pca[("reconstruction_error", "value")].tolist(), abs=1e-9)
    assert [row["alert"] for row in ours] == pca[("reconstruction_error", "alert")].tolist()

    common: dict[str, Any] = {
        "metrics": _METRICS, "y_true": "label", "y_pred": "predicted", "y_pred_proba": "output",
        "problem_type": "classification_binary", "chunk_size": 5000,
    }  # fmt: skip
    for family, kind in (
        ("estimated_performance", nannyml.CBPE),
        ("realized_performance", nannyml.PerformanceCalculator),
    ):
        straight = _straight(kind(**common), known, now)
        for metric in _METRICS:
            ours = replay.found(family, "", metric)
            assert len(ours) == 10
            for key in ("value", "lower_threshold", "upper_threshold"):
                assert [row[key] for row in ours] == pytest.approx(straight[(metric, key)].tolist(), abs=1e-9)
            assert [row["alert"] for row in ours] == straight[(metric, "alert")].tolist()


def test_a_cluster_finds_what_one_process_finds(
    tmp_path: Path, served: Replay, car_loans: tuple[Frame, Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Number by number, in partitions of another size, and although a worker is killed in the middle."""
    monkeypatch.setenv("MODEL_STORE_URL", f"file://{tmp_path}/store")
    monkeypatch.setenv("PREDICTION_STORE_URL", f"file://{tmp_path}/store")
    add, stored = Results.add, list[int]()
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:

        def add_and_kill(results: Results, table: Any, first: int, last: int) -> bool:  # noqa: ANN401 - a table
            if not stored:
                os.kill(cluster.workers[0].pid, signal.SIGKILL)
            stored.append(first)
            return add(results, table, first, last)

        monkeypatch.setattr(Results, "add", add_and_kill)
        spread = _served(
            tmp_path, *car_loans, rows=5000, engine="dask", dask_scheduler=cluster.scheduler_address, chunks_at_once=2
        )
    assert stored == [0, 2, 4, 6, 8]
    key = ("family", "column", "method", "chunk")
    one, other = (sorted(replay.measures(), key=lambda row: [row[name] for name in key]) for replay in (spread, served))
    assert one == other
    assert spread.results().distributions() == served.results().distributions()


def test_unshifted_traffic_is_calm(tmp_path: Path, car_loans: tuple[Frame, Frame]) -> None:
    """Shuffled reference rows, twenty chunks: no performance alert, and at most one univariate in fifty.

    Over ten shuffles univariate alerts were 0.75 % of the chunks and columns, 1.9 % at most: distances are skewed, so
    that more than a normal value's 0.13 % lie beyond three deviations. Of 1,200 performance measures one was.
    """
    reference, _ = car_loans
    traffic = reference.sample(frac=1, random_state=0).reset_index(drop=True)
    measures = _served(tmp_path, reference, traffic, rows=2500).measures()
    performance = [row["alert"] for row in measures if row["family"].endswith("_performance")]
    assert performance == [False] * (2 * len(_METRICS) * 20)
    univariate = [row["alert"] for row in measures if row["family"] == "univariate"]
    assert len(univariate) == 20 * len(_COLUMNS)
    assert sum(univariate) / len(univariate) <= 0.02
    assert not any(row["alert"] for row in measures if row["family"] in {"data_quality", "multivariate"})
