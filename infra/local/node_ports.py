"""Which port of the node answers for whom; fixed, because people and tools outside the cluster know them."""

from collections.abc import Sequence
from typing import Final

from infra.naming import App

FIRST_PORT: Final = {
    "scoring": 30080,
    "prometheus": 30090,
    "alertmanager": 30093,
    "grafana": 30094,
    "drift": 30095,
    "retraining": 30096,
    "dask-scheduler": 30097,
    "object-store": 30900,
}
"""By the application's name. Scoring takes one port a model, up to the next application's."""


def node_port(app: App, models: Sequence[str]) -> int:
    """The port of an application; a scoring application's follows from its model's place among the stack's models.

    Raises:
        KeyError: no port is kept for an application of this name.
    """
    first = FIRST_PORT[app.name]
    return first + models.index(app.instance) if app.name == "scoring" else first
