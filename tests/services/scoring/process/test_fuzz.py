"""What a fuzzer makes of the OpenAPI document, right and wrong: never a 5xx, and every answer as the document says."""

import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Err
from schemathesis.specs.openapi.checks import ignored_auth
from tests.services.scoring.process.object_store import ObjectStoreServer
from tests.services.scoring.process.service import Service

StartService = Callable[..., Service]

REQUESTS: Final = 10_000
FEW: Final = 25
"""Requests to each operation that has no body."""

KEY: Final = "a key"
GROWTH_BYTES: Final = 128 * 1024 * 1024
"""What the process may grow by; it has about 150 MiB at first."""

_MODES: Final = tuple(schemathesis.GenerationMode)
"""Bodies that follow the document, and bodies that do not."""


@pytest.mark.timeout(900)
def test_requests_made_from_the_document_are_answered_as_it_says(
    start: StartService, object_store: ObjectStoreServer, tmp_path: Path
) -> None:
    """Ten thousand over all operations, with a key and the log on; many are answered, many are refused.

    Status, content type, headers and body of each answer are those that the document has for the operation.
    """
    service = start(
        **object_store.environment,
        SCORING_LOG_MODE="sync",
        SCORING_LOG_FOLDER=str(tmp_path / "wal"),
        SCORING_API_KEYS_SHA256=hashlib.sha256(KEY.encode()).hexdigest(),
    )
    service.wait_until("/ready", 200)
    resident_bytes = service.resident_bytes
    _, document = service.get("/openapi.json")
    results = list(schemathesis.openapi.from_dict(document).get_all_operations())
    operations = [result.ok() for result in results if not isinstance(result, Err)]
    assert len(operations) == len(results)  # the document is sound
    with_body = [operation for operation in operations if list(operation.body)]
    share = REQUESTS // (len(with_body) * len(_MODES)) + 1
    statuses: Counter[int] = Counter()
    answered: Counter[str] = Counter()
    with requests.Session() as session:
        for operation in operations:
            for mode in _MODES:

                @hypothesis.settings(
                    max_examples=share if operation in with_body else FEW,
                    database=None,
                    deadline=None,
                    derandomize=True,
                    suppress_health_check=list(hypothesis.HealthCheck),
                )
                @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
                def ask(case: schemathesis.Case[Any]) -> None:
                    response = case.call(
                        base_url=f"http://127.0.0.1:{service.port}", session=session, headers={"x-api-key": KEY}
                    )
                    statuses[response.status_code] += 1
                    answered[case.operation.path] += response.status_code == 200
                    # It takes our key for one that it made up; that a wrong one is refused is tested elsewhere.
                    case.validate_response(response, excluded_checks=[ignored_auth])

                # Nothing can be wrong in a request that has neither body nor parameters.
                with suppress(*([] if operation in with_body else [Unsatisfiable])):
                    ask()
    print(dict(statuses))  # noqa: T201 - shown with -s
    assert statuses.total() >= REQUESTS
    assert statuses[200] > REQUESTS / 20
    assert min(answered[path] for path in ("/v1/predict", "/v1/rank")) > share / 20
    assert sum(count for status, count in statuses.items() if status >= 400) > REQUESTS / 20
    assert service.events("request_failed") == []
    assert service.resident_bytes - resident_bytes < GROWTH_BYTES
    assert service.terminate() == 0
