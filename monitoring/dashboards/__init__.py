"""The dashboards, from tables of panels to Grafana's JSON; every query is checked before anything is deployed."""

import json
from collections.abc import Collection
from typing import Final

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DataSourceRef

from monitoring import promql, rules
from monitoring.dashboards.panels import DASHBOARDS, Dashboard, Panel

DATASOURCE_UID: Final = "prometheus"

_ENVIRONMENT: Final = "${environment}"
_MODEL: Final = "$model"


def render(sources: Collection[str]) -> dict[str, str]:
    """Each dashboard as JSON, by name.

    Args:
        sources: what exports metrics of the cluster; a dashboard that needs another is left out.

    Raises:
        promql.QueryError: a panel's query does not parse or asks for what nobody exports.
    """
    known = rules.recorded(rules.read(rules.subjects()))
    wanted = [one for one in DASHBOARDS if one.needs <= set(sources)]
    for one in wanted:
        for panel in one.panels:
            try:
                promql.check(panel.query.replace(_MODEL, "x"), known)
            except promql.QueryError as error:
                message = f"monitoring/dashboards/panels.py: {one.title}: {panel.title}: {error}"
                raise promql.QueryError(message) from None
    return {one.uid: _json(one, wanted) for one in wanted}


def _json(one: Dashboard, others: Collection[Dashboard]) -> str:
    built = dashboard.Dashboard(one.title).uid(one.uid).tags(["realtime-ml"]).refresh("30s").time("now-6h", "now")
    built = built.readonly().with_variable(dashboard.DatasourceVariable("environment").type("prometheus"))
    built = built.with_variable(
        dashboard.QueryVariable("model")
        .query("label_values(scoring_model_info, model)")
        .datasource(_datasource())
        .multi(True)  # noqa: FBT003 (the builder's signature)
        .include_all(True)  # noqa: FBT003 (likewise)
        .all_value(".+")
    )
    for other in others:
        if other is not one:
            link = dashboard.DashboardLink(other.title).type(DashboardLinkType.LINK).url(f"/d/{other.uid}")
            built = built.link(link.include_vars(True).keep_time(True))  # noqa: FBT003 (likewise)
    for panel in one.panels:
        built = built.with_panel(_panel(panel))
    return json.dumps(built.build(), cls=JSONEncoder, sort_keys=True, indent=1)


def _panel(panel: Panel) -> timeseries.Panel:
    query = prometheus.Dataquery().expr(panel.query).legend_format(panel.legend).ref_id("A")
    return (
        timeseries.Panel()
        .title(panel.title)
        .unit(panel.unit)
        .datasource(_datasource())
        .with_target(query)
        .span(12)
        .height(8)
    )


def _datasource() -> DataSourceRef:
    return DataSourceRef(type_val="prometheus", uid=_ENVIRONMENT)
