"""What the report says: what drifted and since when, ranked; performance; data quality; distributions. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped] # plotly ships no types

Row = Mapping[str, Any]
"""A measure, as it is stored."""

_WORST: Final = 6
"""Columns whose drift and distributions are drawn."""

_ESTIMATED: Final = "estimated_performance"
_REALIZED: Final = "realized_performance"

CONDITION_TEXTS: Final = {
    "no_champion": "No version of this model is champion yet: there is nothing to watch.",
    "no_reference": "The champion has no reference, or too few rows of it: there is nothing to compare with.",
    "no_data": "The log has no predictions of this champion.",
    "too_few_rows": "There are predictions, but too few for a chunk.",
    "one_class": "All labels are of one class: performance cannot be told.",
    "no_estimator": "Nothing estimates how well a ranking does: its data is watched, and a retraining tells NDCG.",
    "no_labels": "No labels have come: performance is estimated alone.",
    "store_unavailable": "The object store does not answer: what is shown is what was known before.",
    "broken_parts": "Parts of the log cannot be read and are left aside; the others were evaluated.",
}


@dataclass(frozen=True, slots=True)
class Series:
    """A measure over the chunks."""

    family: str
    column: str
    method: str
    rows: Sequence[Row]
    """In the order of the chunks."""

    @property
    def name(self) -> str:
        """As people read it."""
        method = self.method.replace("_", " ")
        return f"{self.column}: {method}" if self.column else method

    @property
    def alerts(self) -> int:
        """Chunks with an alert."""
        return sum(row["alert"] for row in self.rows)

    @property
    def now(self) -> bool:
        """Whether the newest chunk has one."""
        return bool(self.rows[-1]["alert"])

    @property
    def since(self) -> datetime | None:
        """When the first of the newest chunks in a row with an alert began; of an alert that is over, the last one."""
        first = None
        for row in reversed(self.rows):
            if row["alert"]:
                first = row["start"]
            elif first is not None:
                break
        return first

    @property
    def excess(self) -> float:
        """How far the newest alert's value lies beyond its threshold, as a share of the threshold."""
        for row in reversed(self.rows):
            if row["alert"] and row["value"] is not None:
                bounds = [row[name] for name in ("lower_threshold", "upper_threshold") if row[name] is not None]
                return max((_beyond(row["value"], bound) for bound in bounds), default=0.0)
        return 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report is made of."""

    model: str
    version: int | None
    outcome: Mapping[str, Any]
    """Of the last evaluation; empty where there was none since the service started."""
    rows: Sequence[Row]
    distributions: Sequence[Row] = field(default=())


def series(rows: Sequence[Row]) -> list[Series]:
    """The measures by what they are about; those that say most first.

    Ranked by whether the newest chunk has an alert, then by how many chunks have one, then by how far beyond the
    threshold the newest one is.
    """
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["chunk"]):
        if row["family"] is not None:
            found.setdefault((row["family"], row["column"], row["method"]), []).append(row)
    every = [Series(*key, of_key) for key, of_key in found.items()]
    return sorted(every, key=lambda one: (not one.now, -one.alerts, -one.excess, one.family, one.column, one.method))


def render(facts: Facts, *, whole: bool) -> str:
    """The page; with `whole` the plotting library stands inside, so that the file works alone."""
    every = series(facts.rows)
    drifted = [one for one in every if one.alerts and one.family != "data_quality"]
    worst = list(dict.fromkeys(one.column for one in every if one.family == "univariate"))[:_WORST]
    ends = [row["end"] for row in facts.rows]
    conditions = facts.outcome.get("conditions", [])
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            model=facts.model,
            version=facts.version,
            outcome=facts.outcome,
            conditions=[CONDITION_TEXTS[condition] for condition in conditions],
            chunks=len({row["chunk"] for row in facts.rows}),
            first=min((row["start"] for row in facts.rows), default=None),
            last=max(ends, default=None),
            drifted=drifted,
            findings=[one for one in every if one.alerts and one.family == "data_quality"],
            plots=_performance(every) + _drift(every, worst) + _distributions(facts.distributions, worst),
            plotly=plotly() if whole else None,
        )
    )


@cache
def plotly() -> str:
    """The plotting library."""
    return str(get_plotlyjs())


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _beyond(value: float, bound: float) -> float:
    return abs(value - bound) / (abs(bound) or 1.0)


def _performance(every: Sequence[Series]) -> list[dict[str, Any]]:
    by_key = {(one.family, one.method): one for one in every}
    metrics = sorted({one.method for one in every if one.family in {_ESTIMATED, _REALIZED}})
    plots = []
    for metric in metrics:
        estimated, realized = by_key.get((_ESTIMATED, metric)), by_key.get((_REALIZED, metric))
        traces = _band(estimated.rows) if estimated else []
        traces += _line("estimated", estimated.rows, "#1f77b4") if estimated else []
        traces += _line("realized", realized.rows, "#d62728") if realized else []
        traces += _thresholds((estimated or realized).rows)  # type: ignore[union-attr] # one of them is there
        title = f"{metric.replace('_', ' ')}: estimated and realized"
        plots.append(_plot("performance", title, traces))
    return plots


def _drift(every: Sequence[Series], worst: Sequence[str]) -> list[dict[str, Any]]:
    drawn = [one for one in every if one.family == "multivariate"]
    drawn += [one for column in worst for one in every if one.family == "univariate" and one.column == column]
    return [_plot("drift", one.name, _line("value", one.rows, "#1f77b4") + _thresholds(one.rows)) for one in drawn]


def _distributions(rows: Sequence[Row], worst: Sequence[str]) -> list[dict[str, Any]]:
    plots = []
    for column in worst:
        shares = sorted((row for row in rows if row["column"] == column), key=lambda row: row["place"])
        if not shares:
            continue
        values = [row["value"] for row in shares]
        traces: list[dict[str, Any]] = [
            {"type": "bar", "name": name, "x": values, "y": [row[key] for row in shares], "marker": {"color": color}}
            for name, key, color in (("reference", "reference", "#9aa5b1"), ("newest chunk", "now", "#d62728"))
        ]
        plots.append(_plot("distributions", f"{column}: share of rows", traces, time=False))
    return plots


def _plot(section: str, title: str, traces: list[dict[str, Any]], *, time: bool = True) -> dict[str, Any]:
    axis = {"type": "date" if time else "category", "automargin": True}
    layout = {
        "title": {"text": title, "x": 0.02, "font": {"size": 14}},
        "xaxis": axis,
        "barmode": "group",
        "height": 330,
        "margin": {"t": 50, "l": 50, "r": 20, "b": 40},
        "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
    }
    return {"section": section, "title": title, "traces": traces, "layout": layout}


def _line(name: str, rows: Sequence[Row], color: str) -> list[dict[str, Any]]:
    """The values, each at the end of its chunk; alerts stand out."""
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": _moments(rows),
            "y": [row["value"] for row in rows],
            "line": {"color": color},
            "marker": {
                "color": ["#d62728" if row["alert"] else color for row in rows],
                "size": [11 if row["alert"] else 6 for row in rows],
                "symbol": ["diamond" if row["alert"] else "circle" for row in rows],
            },
        }
    ]


def _band(rows: Sequence[Row]) -> list[dict[str, Any]]:
    if all(row["lower_confidence"] is None for row in rows):
        return []
    common = {"type": "scatter", "mode": "lines", "x": _moments(rows), "line": {"width": 0}, "hoverinfo": "skip"}
    lower = common | {"y": [row["lower_confidence"] for row in rows], "showlegend": False}
    upper = common | {
        "y": [row["upper_confidence"] for row in rows],
        "fill": "tonexty",
        "fillcolor": "rgba(31,119,180,0.2)",
        "name": "confidence of the estimate",
    }
    return [lower, upper]


def _thresholds(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": key.replace("_", " "),
            "x": _moments(rows),
            "y": [row[key] for row in rows],
            "line": {"dash": "dash", "color": "#6b7280", "width": 1},
        }
        for key in ("lower_threshold", "upper_threshold")
        if any(row[key] is not None for row in rows)
    ]


def _moments(rows: Sequence[Row]) -> list[str]:
    return [row["end"].isoformat() for row in rows]
