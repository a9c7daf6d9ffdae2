"""The dashboards, from tables of panels to Grafana's JSON; every query is checked before anything is deployed."""

import inspect
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import AnnotationQuery, DashboardLinkType, DataSourceRef

from monitoring import promql, rules
from monitoring.dashboards import panels
from monitoring.dashboards.panels import DASHBOARDS, ENVIRONMENT, Annotation, Dashboard, Panel

DATASOURCE_UID: Final = "prometheus"

_MODEL: Final = "$model"
_SOURCES: Final = frozenset({ENVIRONMENT, DATASOURCE_UID})
"""The data sources that there are: what the variable chooses, and the one that a stack brings along."""


class DashboardError(ValueError):
    """Dashboards that are not deployed; its text has a line for each problem, beginning with file and line."""


def render(sources: Collection[str]) -> dict[str, str]:
    """Each dashboard as JSON, by name.

    Args:
        sources: what exports metrics of the cluster; a dashboard that needs another is left out.

    Raises:
        DashboardError: a query does not parse or asks for what nobody exports, or asks a data source that is unknown;
            names every one.
    """
    known = rules.recorded(rules.read(rules.subjects()))
    # All of them are looked at: what would not work is refused also where it is not shown.
    if found := [problem for one in DASHBOARDS for problem in _problems(one, known)]:
        message = "\n".join(["the dashboards are refused, nothing was changed:", *(f"  {line}" for line in found)])
        raise DashboardError(message)
    wanted = [one for one in DASHBOARDS if one.needs <= set(sources)]
    return {one.uid: _json(one, wanted) for one in wanted}


def _problems(one: Dashboard, known: promql.Series) -> Iterator[str]:
    for shown in one.shown:
        where = f"{_place(shown)}: {one.title}: {shown.title}"
        if shown.source not in _SOURCES:
            yield f"{where}: there is no data source {shown.source}; there are {', '.join(sorted(_SOURCES))}"
        try:
            promql.check(shown.query.replace(_MODEL, "x"), known)
        except promql.QueryError as error:
            yield f"{where}: {error}"


def _place(shown: Panel | Annotation) -> str:
    """File and line of its title, which no other has; of the file alone where it is not written there."""
    file = inspect.getsourcefile(panels)
    lines = Path(file).read_text(encoding="utf-8").splitlines() if file else []
    found = [number for number, line in enumerate(lines, 1) if json.dumps(shown.title) in line]
    return f"monitoring/dashboards/panels.py:{found[0] if found else 1}"


def _json(one: Dashboard, others: Collection[Dashboard]) -> str:
    built = dashboard.Dashboard(one.title).uid(one.uid).tags(["realtime-ml"]).refresh("30s").time("now-6h", "now")
    built = built.readonly().with_variable(dashboard.DatasourceVariable("environment").type("prometheus"))
    built = built.with_variable(
        dashboard.QueryVariable("model")
        .query("label_values(scoring_model_info, model)")
        .datasource(_datasource(ENVIRONMENT))
        .multi(True)  # noqa: FBT003 (the builder's signature)
        .include_all(True)  # noqa: FBT003 (likewise)
        .all_value(".+")
    )
    for other in others:
        if other is not one:
            link = dashboard.DashboardLink(other.title).type(DashboardLinkType.LINK).url(f"/d/{other.uid}")
            built = built.link(link.include_vars(True).keep_time(True))  # noqa: FBT003 (likewise)
    for annotation in one.annotations:
        built = built.annotation(_Marks(annotation))
    for panel in one.panels:
        built = built.with_panel(_panel(panel))
    return json.dumps(built.build(), cls=JSONEncoder, sort_keys=True, indent=1)


def _panel(panel: Panel) -> timeseries.Panel:
    query = prometheus.Dataquery().expr(panel.query).legend_format(panel.legend).ref_id("A")
    return (
        timeseries.Panel()
        .title(panel.title)
        .unit(panel.unit)
        .datasource(_datasource(panel.source))
        .with_target(query)
        .span(12)
        .height(8)
    )


class _Marks(dashboard.AnnotationQuery):
    """An annotation of Prometheus, with what Grafana reads of it beside what every data source's has."""

    def __init__(self, annotation: Annotation) -> None:
        super().__init__()
        self._legend = annotation.legend
        self.name(annotation.title).expr(annotation.query).datasource(_datasource(annotation.source))
        self.enable(True).icon_color("blue")  # noqa: FBT003 (the builder's signature)

    def build(self) -> AnnotationQuery:
        return _PrometheusAnnotation(self._legend, **vars(super().build()))


class _PrometheusAnnotation(AnnotationQuery):
    def __init__(self, legend: str, **common: Any) -> None:  # noqa: ANN401 (the model's own)
        super().__init__(**common)
        self._legend = legend

    def to_json(self) -> dict[str, object]:
        return super().to_json() | {"titleFormat": self._legend, "step": "60s"}


def _datasource(source: str) -> DataSourceRef:
    return DataSourceRef(type_val="prometheus", uid=source)
