"""Who did what can be read afterwards."""

from collections.abc import Iterator
from typing import Final

from infra.policy.model import Context, Finding, Resource, Rule
from infra.policy.properties import at, has_unknown, items

REQUIRED_LOGS: Final = ("api", "audit", "authenticator")


def cluster_logs(resource: Resource, _: Context) -> Iterator[Finding]:
    """A cluster keeps the logs of its API."""
    kept = at(resource.properties, "enabledClusterLogTypes")
    if has_unknown(kept):
        return
    if missing := [log for log in REQUIRED_LOGS if log not in items(kept)]:
        yield Finding(
            path="enabledClusterLogTypes", message=f"{', '.join(missing)}: not kept", way_out="add what is missing"
        )


RULES: Final = (
    Rule(
        name="cluster-logs-are-kept",
        description=f"A cluster keeps its logs of {', '.join(REQUIRED_LOGS)}.",
        applies_to=frozenset({"aws:eks/cluster:Cluster"}),
        check=cluster_logs,
    ),
)
