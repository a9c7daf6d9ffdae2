"""Who is let in, and how many at once."""

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from typing import Final

from scoring.errors import RequestError
from scoring.metrics import Metrics

_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._:\-]{1,128}\Z")
_BEARER: Final = b"bearer "


class Admission:
    """Counts the requests that are being answered, and knows the keys."""

    def __init__(self, max_in_flight: int, key_hashes: Collection[str], metrics: Metrics) -> None:
        """Args: how many requests may be under way; SHA-256 of each key, in hex, none to let all in; the metrics."""
        self._max_in_flight: Final = max_in_flight
        self._key_hashes: Final = tuple(key_hashes)
        self._metrics: Final = metrics
        self.in_flight = 0
        metrics.requests_in_flight.set_function(lambda: self.in_flight)

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Called with a request that is counted in `in_flight` already.

        Raises:
            RequestError: it has no key that is known (401), or there are too many (429).
        """
        if self.in_flight > self._max_in_flight:
            message = f"{self._max_in_flight} requests are being answered already; send it again."
            raise RequestError(429, "too_many_requests", message)
        if self._key_hashes and not self._knows(headers):
            message = "A valid key is required, as X-API-Key or as Authorization: Bearer."
            raise RequestError(401, "unauthorized", message)

    def _knows(self, headers: Mapping[bytes, bytes]) -> bool:
        key = headers.get(b"x-api-key", b"")
        authorization = headers.get(b"authorization", b"")
        if not key and authorization[: len(_BEARER)].lower() == _BEARER:
            key = authorization[len(_BEARER) :].strip()
        presented = hashlib.sha256(key).hexdigest()
        # Every hash is compared, each in constant time, so that the time tells neither whether nor which.
        found = [hmac.compare_digest(presented, known) for known in self._key_hashes]
        return any(found) and bool(key)


def request_name(headers: Mapping[bytes, bytes], own: str) -> bytes:
    """The client's name for its request, where that is harmless; else our own."""
    given = headers.get(b"x-request-id")
    return given if given is not None and _SANE_ID.match(given) else own.encode()
