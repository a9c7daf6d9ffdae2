"""Requests made from a service's OpenAPI document, right ones and wrong ones, and what they are answered."""

import copy
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import hypothesis
import requests
import schemathesis
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Err
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection

VARIABLE: Final = "FUZZ_REQUESTS"
"""How many requests are made of each service; `make fuzz` sets it."""

FEW: Final = 25
"""Requests to each operation that takes neither a body nor a parameter: all of them are alike."""

_MODES: Final = tuple(schemathesis.GenerationMode)
"""Requests that follow the document, and requests that do not."""

_OWN_FAULTS: Final = frozenset({500, 501, 502, 504})
_TRACES: Final = ("Traceback", 'File "/', '.py", line')


def requests_wanted(default: int) -> int:
    """How many requests a service is to be asked, by default so many."""
    return int(os.environ.get(VARIABLE, default))


@dataclass
class Answers:
    """What came back.

    Attributes:
        statuses: how many of each.
        by_operation: the same, by `METHOD /path`.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    by_operation: dict[str, Counter[int]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All answers."""
        return self.statuses.total()


def fuzz(base_url: str, document: Mapping[str, Any], headers: Mapping[str, str], wanted: int) -> Answers:
    """Asks a service; each answer must be as the document says, no 5xx of its own fault, and hold no stack trace.

    Args:
        base_url: where it answers.
        document: what it says of itself.
        headers: on every request, such as a key.
        wanted: how many requests, at least, over all operations.
    """
    results = list(schemathesis.openapi.from_dict(_without_security(document)).get_all_operations())
    operations = [result.ok() for result in results if not isinstance(result, Err)]
    assert len(operations) == len(results)  # the document is sound
    varied = [each for each in operations if list(each.body) or list(each.query)]
    share = wanted // (len(varied) * len(_MODES)) + 1
    answers = Answers()
    with requests.Session() as session:
        for operation in operations:
            examples = share if operation in varied else FEW
            # Nothing can be wrong in a request that has neither body nor parameters.
            allowed = () if operation in varied else (Unsatisfiable,)
            counted: Counter[int] = Counter()
            for mode in _MODES:
                with suppress(*allowed):
                    counted += _ask(session, base_url, headers, operation, mode, examples)
            answers.statuses += counted
            answers.by_operation[f"{operation.method.upper()} {operation.path}"] = counted
    return answers


def _ask(
    session: requests.Session,
    base_url: str,
    headers: Mapping[str, str],
    operation: Any,  # noqa: ANN401 - the library's own types have parameters that it does not export
    mode: schemathesis.GenerationMode,
    examples: int,
) -> Counter[int]:
    counted: Counter[int] = Counter()
    # A parameter that is given twice is one to the framework, and wrong to the fuzzer.
    excluded = [ignored_auth] if list(operation.body) else [ignored_auth, negative_data_rejection]

    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        response = case.call(base_url=base_url, session=session, headers=dict(headers))
        counted[response.status_code] += 1
        assert response.status_code not in _OWN_FAULTS, case.as_curl_command()
        assert not any(trace in response.text for trace in _TRACES), response.text
        # Too large is refused before anybody looks at what is wrong with it.
        too_large = [negative_data_rejection] if response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else []
        case.validate_response(response, excluded_checks=[*excluded, *too_large])

    ask()
    return counted


def _without_security(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without who may ask: keys are what the tests show, and not what a fuzzer makes up."""
    found: dict[str, Any] = copy.deepcopy(dict(document))
    found.get("components", {}).pop("securitySchemes", None)
    for operations in found["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
    return found
