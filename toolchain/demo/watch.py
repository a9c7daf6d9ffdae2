"""Looks at the running stack through its own addresses."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from toolchain.demo.sight import Sight

_CHUNKS = 200


@dataclass
class Watch:
    """Where the stack is looked at.

    Attributes:
        model: whose loop it is.
        outputs: of the stack: its addresses.
        token: of the retraining receiver.
    """

    model: str
    outputs: dict[str, Any]
    token: str = field(repr=False)

    async def look(self, client: httpx.AsyncClient) -> Sight:
        """One look.

        Raises:
            httpx.HTTPError: a part of the stack does not answer.
        """
        drift = await self._get(client, "drift_url", "/v1/results", model=self.model, chunks=_CHUNKS)
        alerts = await self._get(client, "alertmanager_url", "/api/v2/alerts", filter=f'model="{self.model}"')
        runs = await self._get(client, "retraining_url", "/v1/runs", model=self.model)
        query = f'scoring_model_info{{model="{self.model}"}}'
        replicas = await self._get(client, "prometheus_url", "/api/v1/query", query=query)
        return Sight(
            champion=drift["version"],
            measures=drift["results"],
            alerts=frozenset(alert["labels"]["alertname"] for alert in alerts if alert["status"]["state"] == "active"),
            runs=runs["runs"],
            replicas={
                series["metric"]["pod"]: int(series["metric"]["version"]) for series in replicas["data"]["result"]
            },
        )

    async def _get(self, client: httpx.AsyncClient, output: str, path: str, **query: str | int) -> Any:  # noqa: ANN401 - JSON
        headers = {"authorization": f"Bearer {self.token}"} if output == "retraining_url" else {}
        answer = await client.get(f"{self.outputs[output]}{path}", params=query, headers=headers)
        answer.raise_for_status()
        return answer.json()
