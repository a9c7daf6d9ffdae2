"""Dashboards: every panel asks for what exists, says what it shows, and is reached from every other dashboard."""

import json
from typing import Any

import pytest

from monitoring import dashboards, promql
from monitoring.dashboards.panels import DASHBOARDS, Dashboard, Panel

SOURCES = frozenset({"kube-state-metrics", "node-exporter", "dcgm-exporter"})


@pytest.fixture(scope="module")
def rendered() -> dict[str, Any]:
    """Every dashboard as Grafana gets it."""
    return {name: json.loads(text) for name, text in dashboards.render(SOURCES).items()}


def test_every_panel_has_a_unit_and_a_title_that_no_other_of_its_dashboard_has() -> None:
    """Two panels that say the same are one too many."""
    for one in DASHBOARDS:
        assert all(panel.unit and panel.title for panel in one.panels)
        assert len({panel.title for panel in one.panels}) == len(one.panels), one.title
    queries = [panel.query for one in DASHBOARDS for panel in one.panels]
    assert len(set(queries)) == len(queries)


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


def test_a_panel_that_asks_for_what_nobody_exports_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same check runs at `pulumi preview`."""
    bad = Dashboard("bad", "Bad", [Panel("Gone", "s", "scoring_gone_seconds")])
    monkeypatch.setattr(dashboards, "DASHBOARDS", (bad,))
    with pytest.raises(promql.QueryError, match=r"panels\.py: Bad: Gone: .*scoring_gone_seconds"):
        dashboards.render([])
