"""What is left of a run when it is over: what Prometheus kept, and what lies in the prediction log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # pyarrow ships no types
from lifecycle.prediction_log import current_parts, hour_prefix, hours
from lifecycle.store import ObjectStore

_STEP_SECONDS: Final = 15
"""As often as Prometheus looks."""
_RULE_SECONDS: Final = 300
"""What the stack's rules look back: before that they speak of the search for the capacity."""
_SERVICES: Final = '{job=~"scoring|drift|retraining"}'

Series = dict[tuple[str, str], list[tuple[float, float]]]
"""Seconds from the start and a value, by service and pod."""


@dataclass(frozen=True, kw_only=True)
class Logged:
    """What the log holds of a run.

    Attributes:
        rows: predictions.
        distinct: ids among them.
    """

    rows: int
    distinct: int


@dataclass(frozen=True)
class Prometheus:
    """What was kept of a run.

    Attributes:
        url: of Prometheus.
        model: who was asked.
        began: when the run did, in seconds since 1970.
        seconds: how long it lasted.
    """

    url: str
    model: str
    began: float
    seconds: float

    def processes(self, metric: str) -> Series:
        """A metric of every service's processes.

        Raises:
            httpx.HTTPError: Prometheus does not answer.
        """
        parameters = {"start": self.began, "end": self.began + self.seconds, "step": _STEP_SECONDS}
        found = self._get("query_range", parameters | {"query": metric + _SERVICES})
        return {
            (one["metric"]["job"], one["metric"]["pod"]): [
                (float(at) - self.began, float(value)) for at, value in one["values"]
            ]
            for one in found
        }

    def number(self, query: str, *, otherwise: float = 0.0) -> float:
        """A number at the end of the run, `otherwise` where there is none.

        `{model}` is filled in, and `{window}`, the run, and `{settled}`, as much of it as rules look back on it alone.

        Raises:
            httpx.HTTPError: Prometheus does not answer.
        """
        settled = max(_STEP_SECONDS, self.seconds - _RULE_SECONDS)
        text = query.replace("{window}", f"{self.seconds:.0f}s").replace("{settled}", f"{settled:.0f}s")
        text = text.replace("{model}", f'model="{self.model}"')
        found = self._get("query", {"query": text, "time": self.began + self.seconds})
        return float(found[0]["value"][1]) if found else otherwise

    def _get(self, what: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/{what}", params=dict(parameters), timeout=30).raise_for_status()
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result


def logged(store: ObjectStore, model: str, began: datetime) -> Logged:
    """The predictions in the log since a moment.

    Parts that a merged one stands for are left out; the ids of a run come from nowhere else.

    Raises:
        StoreUnavailableError: the store does not answer.
        FileNotFoundError: a part was merged into another one meanwhile: look again.
    """
    keys = [
        part.key
        for hour in hours(began, datetime.now(UTC))
        for part in store.list(hour_prefix(model, "predictions", hour))
    ]
    ids = []
    for key in current_parts(store, keys):
        with store.open_ranges(key) as file:
            part = pq.read_table(file, columns=["prediction_id", "time"], partitioning=None)
            ids.append(part.filter(pc.greater_equal(part["time"], pa.scalar(began, part["time"].type)))[0])
    if not ids:
        return Logged(rows=0, distinct=0)
    found = pa.chunked_array([chunk for column in ids for chunk in column.chunks], type=pa.string())
    return Logged(rows=len(found), distinct=pc.count_distinct(found).as_py())
