"""Every route of every service."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import lightkube
from drift.app import create_app as create_drift
from drift.settings import DriftSettings
from drift.stores import Stores
from fastapi.testclient import TestClient
from lifecycle.store import ObjectStore
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster, User
from obstore.store import MemoryStore
from retraining.receiver.app import create_app as create_retraining
from retraining.receiver.jobs import ClusterJobs
from retraining.receiver.receiver import Receiver
from retraining.receiver.settings import ReceiverSettings
from scoring.app import Dependencies, create_app
from scoring.champion import ChampionHolder
from scoring.metrics import Metrics
from scoring.settings import ScoringSettings

Json = Any
"""A value as JSON has it."""


def _scoring() -> Json:
    """Of a service that no model serves yet: its routes, without a model's features."""
    dependencies = Dependencies(
        ScoringSettings(), ChampionHolder(), Metrics(), lambda: asyncio.sleep(0), is_draining=lambda: False
    )
    with TestClient(create_app(dependencies)) as client:
        return client.get("/openapi.json").json()


def _drift() -> Json:
    nothing = ObjectStore(MemoryStore())
    return create_drift(DriftSettings(models=("none",)), Stores(nothing, nothing)).openapi()


def _retraining() -> Json:
    nobody = KubeConfig.from_one(cluster=Cluster(server="http://127.0.0.1:1"), user=User())  # it is not asked
    cluster = lightkube.Client(nobody)
    receiver = Receiver(ClusterJobs(cluster, "none"), ObjectStore(MemoryStore()), timedelta())
    return create_retraining(receiver, ReceiverSettings(token_file=Path("none"))).openapi()


DOCUMENTS: Final[Mapping[str, Callable[[], Json]]] = {
    "Scoring": _scoring,
    "Drift": _drift,
    "Retraining": _retraining,
}
"""The OpenAPI document of each service, by its title on the page."""

_HEAD: Final = """\
# HTTP API

Written from the code by `make docs`. Each running service has its own document at `/openapi.json`: that of scoring
knows the features of its model, too. [Scoring](../../services/scoring/README.md) shows requests; where a token has to
be shown, [drift](../how-to/drift.md) and [retraining](../how-to/retraining.md) say which."""


def page() -> str:
    """The page in Markdown."""
    lines = [_HEAD, ""]
    for title, document in DOCUMENTS.items():
        lines += [f"## {title}", ""]
        for path, methods in document()["paths"].items():
            for method, operation in methods.items():
                lines += [
                    f"### `{method.upper()} {path}`",
                    "",
                    _told(operation),
                    "",
                    "| status | meaning |",
                    "| --- | --- |",
                ]
                answers = operation["responses"].items()
                lines += [f"| {status} | {answer['description']} |" for status, answer in answers]
                lines.append("")
    return "\n".join(lines)


def _told(operation: Json) -> str:
    return f"{operation.get('summary', '')}. {operation.get('description', '')}".strip()
