"""A client in Python. Needs httpx and msgspec, and nothing of the server's but `scoring.wire`.

with ScoringClient("http://127.0.0.1:30080") as client:
    answer = client.predict([{"car_value": 12000, ...}])
    client.label({answer.predictions[0].id: "repaid"})
"""

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx
import msgspec

from scoring.wire import LabelAnswer, LabelsResponse, PredictResponse, RankResponse, encode_json

_RETRIED: Final = frozenset({429, 503})
_LONGEST_PAUSE_SECONDS: Final = 30.0
_Answer = TypeVar("_Answer")


class RefusedError(Exception):
    """The service answered with an error that sending again does not mend, or for too long."""

    def __init__(self, status: int, code: str, message: str, field: str | None) -> None:
        """Args: of HTTP, and what the service said: the code, the message, and where in the request."""
        super().__init__(f"{status} {code}: {message}" + (f" ({field})" if field else ""))
        self.status: Final = status
        self.code: Final = code
        self.field: Final = field


class ScoringClient:
    """Asks a scoring service. Keeps its connections; from several threads."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_seconds: float = 10,
        attempts: int = 4,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connects when it is first asked.

        Args:
            url: of the service.
            api_key: where the service wants one.
            timeout_seconds: for each attempt.
            attempts: how often a request is sent at most where the service is busy or not ready; it says how long to
                wait in between.
            transport: instead of the network.
            sleep: instead of the clock.
        """
        headers = {"content-type": "application/json"} | ({"x-api-key": api_key} if api_key else {})
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_seconds, transport=transport)
        self._attempts = attempts
        self._sleep = sleep

    def predict(self, rows: Sequence[Mapping[str, object]], *, contributions: bool = False) -> PredictResponse:
        """The answers to rows of features, in their order; a missing value is None.

        Raises:
            RefusedError: a row is wrong, or the service stays busy or not ready.
            httpx.TransportError: the service cannot be reached.
        """
        body: dict[str, object] = {"rows": rows} | ({"contributions": True} if contributions else {})
        return self._post("/v1/predict", body, PredictResponse)

    def rank(self, candidates: Sequence[Mapping[str, object]], k: int | None = None) -> RankResponse:
        """The best k of candidates, the best first; as many as the service says where k is not given.

        Raises:
            RefusedError: a candidate is wrong, or the service stays busy or not ready.
            httpx.TransportError: the service cannot be reached.
        """
        body: dict[str, object] = {"candidates": candidates} | ({} if k is None else {"k": k})
        return self._post("/v1/rank", body, RankResponse)

    def label(self, truth: Mapping[str, str | float]) -> list[LabelAnswer]:
        """Tells the truth of predictions by id: the name of a class, or a number. Once or again, it is the same.

        Raises:
            RefusedError: a label is wrong, or the service stays busy or not ready.
            httpx.TransportError: the service cannot be reached.
        """
        labels = [{"id": id_, "label": value} for id_, value in truth.items()]
        return self._post("/v1/labels", {"labels": labels}, LabelsResponse).labels

    def _post(self, path: str, body: object, kind: type[_Answer]) -> _Answer:
        content = encode_json(body)
        for attempt in range(1, self._attempts + 1):
            response = self._http.post(path, content=content)
            if response.is_success:
                return msgspec.json.decode(response.content, type=kind)
            if response.status_code not in _RETRIED or attempt == self._attempts:
                break
            self._sleep(_pause_seconds(response))
        raise _refused(response)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the connections."""
        self.close()


def _pause_seconds(response: httpx.Response) -> float:
    given = response.headers.get("retry-after", "")
    return min(float(given), _LONGEST_PAUSE_SECONDS) if given.isdecimal() else 1.0


def _refused(response: httpx.Response) -> RefusedError:
    try:
        error = response.json()["error"]
        return RefusedError(response.status_code, error["code"], error["message"], error["field"])
    except (ValueError, LookupError, TypeError):  # from something in between, a proxy
        return RefusedError(response.status_code, "unknown", response.reason_phrase, None)
