"""Dashboards: every panel asks for what exists, says what it shows, and is reached from every other dashboard."""

import json
from pathlib import Path
from typing import Any

import pytest

from monitoring import dashboards
from monitoring.dashboards import panels
from monitoring.dashboards.panels import DASHBOARDS, Annotation, Dashboard, Panel

SOURCES = frozenset({"kube-state-metrics", "node-exporter", "dcgm-exporter"})


@pytest.fixture(scope="module")
def rendered() -> dict[str, Any]:
    """Every dashboard as Grafana gets it."""
    return {name: json.loads(text) for name, text in dashboards.render(SOURCES).items()}


def test_every_panel_has_a_unit_and_a_title_that_no_other_has() -> None:
    """Two panels that say the same are one too many."""
    shown = [panel for one in DASHBOARDS for panel in one.panels]
    assert all(panel.unit and panel.title for panel in shown)
    titles = [panel.title for panel in shown] + [one.title for one in DASHBOARDS]
    assert len(set(titles)) == len(titles)
    assert len({panel.query for panel in shown}) == len(shown)


def test_every_dashboard_of_models_shows_the_chosen_ones() -> None:
    """A fork's model is there as soon as it serves, and none is named."""
    for one in DASHBOARDS:
        for shown in one.shown:
            assert "car" not in shown.query, shown.title
            if not one.needs and shown.title != "Alerts that fire":
                assert 'model=~"$model"' in shown.query, shown.title


def test_the_dashboard_of_model_quality_marks_when_a_version_begins_to_serve(rendered: dict[str, Any]) -> None:
    """A change of performance is read beside the change of what performs."""
    (mark,) = rendered["model-quality"]["annotations"]["list"]
    assert "scoring_model_info" in mark["expr"]
    assert mark["titleFormat"] == "{{model}}: version {{version}}"
    assert mark["datasource"]["uid"] == "${environment}"


def test_every_panel_asks_the_data_source_that_is_chosen(rendered: dict[str, Any]) -> None:
    """An unknown data source shows nothing."""
    for name, one in rendered.items():
        assert {panel["datasource"]["uid"] for panel in one["panels"]} == {"${environment}"}, name
        assert [variable["name"] for variable in one["templating"]["list"]] == ["environment", "model"], name


def test_dashboards_lead_to_each_other(rendered: dict[str, Any]) -> None:
    """Whoever looks for a cause needs the next page."""
    for name, one in rendered.items():
        assert {link["url"] for link in one["links"]} == {f"/d/{other}" for other in rendered if other != name}


def test_a_dashboard_whose_exporters_are_missing_is_left_out() -> None:
    """An empty page looks like an outage."""
    assert dashboards.render([]).keys() == {one.uid for one in DASHBOARDS if not one.needs}


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (Panel("Gone", "s", "scoring_gone_seconds"), "has a metric scoring_gone_seconds"),
        (Panel("Gone", "s", "sum by (colour) (up)"), "no label colour"),
        (Panel("Gone", "s", "up == ("), "up =="),
        (
            Panel("Gone", "s", "up", source="graphite"),
            r"no data source graphite; there are \$\{environment\}, prometheus",
        ),
    ],
)
def test_a_panel_that_would_not_work_is_refused(monkeypatch: pytest.MonkeyPatch, shown: Panel, said: str) -> None:
    """The same check runs at `pulumi preview`, also of what is not shown there."""
    bad = Dashboard("bad", "Bad", [shown], frozenset({"nobody"}))
    monkeypatch.setattr(dashboards, "DASHBOARDS", (bad,))
    with pytest.raises(dashboards.DashboardError, match=rf"panels\.py:\d+: Bad: Gone: .*{said}"):
        dashboards.render([])


def test_what_is_refused_is_named_by_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the file that it stands in; every problem at once."""
    model_quality = next(one for one in DASHBOARDS if one.uid == "model-quality")
    panel, mark = model_quality.panels[2], model_quality.annotations[0]
    bad = Dashboard(
        "bad", "Bad", [Panel(panel.title, "s", "gone")], annotations=[Annotation(mark.title, "gone", "")]
    )  # fmt: skip
    monkeypatch.setattr(dashboards, "DASHBOARDS", (bad,))
    with pytest.raises(dashboards.DashboardError) as caught:
        dashboards.render([])
    lines = Path(panels.__file__).read_text(encoding="utf-8").splitlines()
    for title in (panel.title, mark.title):
        line = next(number for number, text in enumerate(lines, 1) if title in text)
        assert f"monitoring/dashboards/panels.py:{line}: Bad: {title}: " in str(caught.value)
