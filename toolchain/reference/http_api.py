"""Every route of the scoring service."""

import asyncio
from typing import Any

from fastapi.testclient import TestClient
from scoring.app import Dependencies, create_app
from scoring.champion import ChampionHolder
from scoring.metrics import Metrics
from scoring.settings import ScoringSettings

Json = Any
"""A value as JSON has it."""


def document() -> Json:
    """The OpenAPI document of a service that no model serves yet: its routes, without a model's features."""
    dependencies = Dependencies(
        ScoringSettings(), ChampionHolder(), Metrics(), lambda: asyncio.sleep(0), is_draining=lambda: False
    )
    with TestClient(create_app(dependencies)) as client:
        return client.get("/openapi.json").json()


def page() -> str:
    """The page in Markdown."""
    lines = [
        "# HTTP API",
        "",
        "Of the scoring service, written from the code by `make docs`. A running service's own `/openapi.json` has the",
        "features of its model, too. [Scoring](../../services/scoring/README.md) shows requests.",
        "",
    ]
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            lines += [
                f"## `{method.upper()} {path}`",
                "",
                f"{operation.get('summary', '')}. {operation.get('description', '')}".strip(),
                "",
            ]
            lines += ["| status | meaning |", "| --- | --- |"]
            lines += [f"| {status} | {answer['description']} |" for status, answer in operation["responses"].items()]
            lines.append("")
    return "\n".join(lines)
