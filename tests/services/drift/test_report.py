"""What the report ranks, says and draws."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from drift.findings import Condition
from drift.report import CONDITION_TEXTS, Facts, render, series

_START = datetime(2026, 1, 1, tzinfo=UTC)


def _rows(
    family: str, column: str, method: str, values: list[float | None], upper: float = 1.0
) -> list[dict[str, Any]]:
    return [
        {
            "chunk": chunk,
            "start": _START + timedelta(hours=chunk),
            "end": _START + timedelta(hours=chunk, minutes=59),
            "rows": 100,
            "family": family,
            "column": column,
            "method": method,
            "value": value,
            "lower_threshold": None,
            "upper_threshold": upper,
            "lower_confidence": None if value is None else value - 0.1,
            "upper_confidence": None if value is None else value + 0.1,
            "alert": value is not None and value > upper,
        }
        for chunk, value in enumerate(values)
    ]


def _plots(page: str) -> list[dict[str, Any]]:
    found = re.search(r"const plots = (.*);\n", page)
    assert found
    plots: list[dict[str, Any]] = json.loads(found[1])
    return plots


def test_what_drifts_now_comes_first_then_what_drifted_longest_then_most() -> None:
    """The first line is what a person looks at first."""
    rows = [
        *_rows("univariate", "over", "js", [9.0, 9.0, 0.0]),
        *_rows("univariate", "calm", "js", [0.0, 0.0, 0.0]),
        *_rows("univariate", "far", "js", [0.0, 0.0, 5.0]),
        *_rows("univariate", "long", "js", [0.0, 2.0, 2.0]),
        *_rows("univariate", "near", "js", [0.0, 0.0, 2.0]),
    ]
    assert [one.column for one in series(rows)] == ["long", "far", "near", "over", "calm"]


def test_since_is_the_beginning_of_the_newest_alerts_in_a_row() -> None:
    """Also of an alert that is over."""
    (again,) = series(_rows("univariate", "a", "js", [2.0, 0.0, 2.0, 2.0]))
    (over,) = series(_rows("univariate", "a", "js", [2.0, 2.0, 0.0, 0.0]))
    (never,) = series(_rows("univariate", "a", "js", [0.0, 0.0]))
    assert (again.since, over.since, never.since) == (_START + timedelta(hours=2), _START, None)
    assert (again.now, over.now) == (True, False)


def test_estimated_and_realized_performance_share_a_plot_with_the_band() -> None:
    """One plot a metric: band, both lines, thresholds."""
    rows = _rows("estimated_performance", "", "roc_auc", [0.9, 0.8]) + _rows(
        "realized_performance", "", "roc_auc", [0.9, 0.7]
    )
    (plot,) = _plots(render(Facts("m", 1, {"conditions": []}, rows), whole=False))
    names = [trace.get("name") for trace in plot["traces"]]
    assert names == [None, "confidence of the estimate", "estimated", "realized", "upper threshold"]
    assert plot["traces"][1]["y"] == [1.0, 0.9]


def test_the_page_names_findings_conditions_and_what_was_left_aside() -> None:
    """Everything that an evaluation knows."""
    outcome = {
        "conditions": ["broken_parts"],
        "broken_parts": {"m/predictions/x.parquet": "not Parquet"},
        "foreign_columns": {"feature.age": "string instead of double"},
        "failed_calculations": {"wasserstein of feature.b": "ValueError"},
        "targets_missing": 0.25,
        "late_rows": 3,
    }
    rows = _rows("data_quality", "age", "missing", [0.0, 2.0]) + _rows("univariate", "income", "js", [0.0, 2.0])
    page = render(Facts("m", 7, outcome, rows), whole=False)
    for said in (
        "version 7", "2 chunks", "age: missing", "income: js", CONDITION_TEXTS["broken_parts"], "not Parquet",
        "string instead of double", "wasserstein of feature.b", "25.0 %", "3 rows were stored after",
    ):  # fmt: skip
        assert said in page, said


def test_no_drift_is_said_and_no_data_says_nothing_of_the_kind() -> None:
    """An empty page is no good news."""
    calm = render(Facts("m", 1, {"conditions": []}, _rows("univariate", "a", "js", [0.0])), whole=False)
    assert "Nothing drifted" in calm
    nothing = render(Facts("m", 1, {"conditions": ["no_data"]}, []), whole=False)
    assert "Nothing drifted" not in nothing
    assert CONDITION_TEXTS["no_data"] in nothing


def test_names_from_data_are_text_and_no_markup() -> None:
    """A category may be called anything."""
    shares = [{"column": "a", "place": 0, "value": "</script><b>", "reference": 0.5, "now": 0.5}]
    rows = _rows("univariate", "a", "js", [2.0])
    page = render(Facts("m", 1, {"conditions": [], "broken_parts": {"<i>": "<u>"}}, rows, shares), whole=False)
    assert "<b>" not in page
    assert "<i>" not in page
    assert [plot["traces"][0]["x"] for plot in _plots(page) if plot["section"] == "distributions"] == [["</script><b>"]]


def test_the_file_to_keep_holds_the_library_and_the_page_refers_to_its_own_origin() -> None:
    """Neither asks anybody else for anything."""
    rows = _rows("univariate", "a", "js", [2.0])
    page, file = (render(Facts("m", 1, {"conditions": []}, rows), whole=whole) for whole in (False, True))
    assert re.findall(r"(?:src|href)=\"([^\"]+)\"", page) == [
        "data:,", "/static/plotly.min.js", "?download", "/v1/results?model=m",
    ]  # fmt: skip
    assert "/static/" not in file
    assert len(file) > 1_000_000
    assert len(page) < 50_000


def test_every_condition_has_a_text() -> None:
    """A person reads sentences."""
    assert CONDITION_TEXTS.keys() == set(get_args(Condition))
