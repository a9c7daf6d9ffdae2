"""What a fuzzer makes of the OpenAPI document, right and wrong: never a 5xx, and every answer as the document says."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest
from tests.services.fuzzing import fuzz, requests_wanted
from tests.services.scoring.process.object_store import ObjectStoreServer
from tests.services.scoring.process.service import Service

StartService = Callable[..., Service]

REQUESTS: Final = 10_000
"""By default, over all that the service is asked with."""

KEY: Final = "a key"
AUTHENTICATED: Final = {"SCORING_API_KEYS_SHA256": hashlib.sha256(KEY.encode()).hexdigest()}
GROWTH_BYTES: Final = 128 * 1024 * 1024
"""What the process may grow by; it has about 150 MiB at first."""


@pytest.mark.timeout(2400)
@pytest.mark.parametrize(
    ("settings", "headers"), [(AUTHENTICATED, {"x-api-key": KEY}), ({}, {})], ids=["with a key", "without keys"]
)
def test_requests_made_from_the_document_are_answered_as_it_says(
    start: StartService,
    object_store: ObjectStoreServer,
    tmp_path: Path,
    settings: Mapping[str, str],
    headers: Mapping[str, str],
) -> None:
    """Ten thousand over all operations, with the log on; many are answered, many are refused.

    Status, content type, headers and body of each answer are those that the document has for the operation.
    """
    wanted = requests_wanted(REQUESTS) // 2
    service = start(
        **object_store.environment, SCORING_LOG_MODE="sync", SCORING_LOG_FOLDER=str(tmp_path / "wal"), **settings
    )
    service.wait_until("/ready", 200)
    resident_bytes = service.resident_bytes
    _, document = service.get("/openapi.json")
    answers = fuzz(f"http://127.0.0.1:{service.port}", document, headers, wanted)
    statuses = answers.statuses
    print(dict(statuses))  # noqa: T201 - shown with -s
    assert answers.total >= wanted
    assert statuses[200] > wanted / 20
    assert sum(count for status, count in statuses.items() if status >= 400) > wanted / 20
    assert not statuses[401]
    for operation in ("POST /v1/predict", "POST /v1/rank"):
        assert answers.by_operation[operation][200] > wanted / 200, operation
    assert service.events("request_failed") == []
    assert service.resident_bytes - resident_bytes < GROWTH_BYTES
    assert service.terminate() == 0


@pytest.mark.timeout(900)
def test_whoever_has_no_key_changes_nothing_whatever_they_send(
    start: StartService, object_store: ObjectStoreServer, tmp_path: Path
) -> None:
    """No prediction, no label: each is refused before it is looked at; probes, metrics and the document are open."""
    settings = {"SCORING_LOG_MODE": "sync", "SCORING_LOG_FOLDER": str(tmp_path / "wal"), **AUTHENTICATED}
    service = start(**object_store.environment, **settings)
    service.wait_until("/ready", 200)
    _, document = service.get("/openapi.json")
    guarded = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "security" in operation
    }
    assert {"POST /v1/predict", "POST /v1/labels"} <= guarded
    for headers in ({}, {"x-api-key": "another key"}, {"authorization": f"Basic {KEY}"}):
        answers = fuzz(f"http://127.0.0.1:{service.port}", document, headers, requests_wanted(REQUESTS) // 50)
        for operation in guarded:
            # What is too large, or is no HTTP, is refused before anybody asks who sent it.
            assert answers.by_operation[operation].keys() <= {401, 413}, (operation, answers.by_operation[operation])
    assert service.terminate() == 0
    assert not [file for file in (tmp_path / "wal").rglob("*") if file.is_file() and file.stat().st_size]
