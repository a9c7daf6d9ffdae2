"""Reading a request body without letting the client decide how much memory and time that takes."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.types import Receive

from scoring.errors import RequestError

_DISCARDED_BODIES: Final = 4
"""How many times the limit is read and thrown away before the connection is cut.

A client that is still sending when the connection closes often never sees the answer that says why.
"""

_JSON: Final = b"application/json"


def refuse_unless_json(headers: Mapping[bytes, bytes]) -> None:
    """Raises RequestError (415) unless the body is declared as plain JSON in UTF-8."""
    if headers.get(b"content-type") != _JSON:
        media_type, _, parameters = headers.get(b"content-type", b"").lower().partition(b";")
        if media_type.strip() != _JSON:
            raise RequestError(415, "unsupported_media_type", "The Content-Type must be application/json.")
        if parameters.strip().removeprefix(b"charset=").strip(b'"') not in (b"", b"utf-8", b"utf8"):
            raise RequestError(415, "unsupported_media_type", "The charset must be utf-8.")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise RequestError(415, "unsupported_media_type", "The body must not be compressed.")


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, max_bytes: int, timeout_seconds: float) -> bytes:
    """The body of a request.

    Args:
        headers: of the request.
        receive: gives the body's pieces.
        max_bytes: how large it may be.
        timeout_seconds: how long it may take to arrive.

    Raises:
        RequestError: it is larger (413), slower (408), or breaks off (400).
    """
    if b"expect" in headers:
        _refuse_announced(headers, max_bytes)
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _whole(receive, max_bytes)
    except TimeoutError:
        message = f"The body did not arrive within {timeout_seconds:g} s."
        raise RequestError(408, "body_too_slow", message, close=True) from None


async def _whole(receive: Receive, max_bytes: int) -> bytes:
    body = bytearray()
    received = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RequestError(400, "body_incomplete", "The body broke off.", close=True)
        piece = message.get("body", b"")
        received += len(piece)
        if received <= max_bytes:
            body += piece
        elif received > max_bytes * _DISCARDED_BODIES:
            raise _too_large(max_bytes, close=True)
        else:
            body.clear()
        if not message.get("more_body", False):
            break
    if received > max_bytes:
        raise _too_large(max_bytes, close=False)
    return bytes(body)


def _refuse_announced(headers: Mapping[bytes, bytes], max_bytes: int) -> None:
    """Refuses what is declared too large by a client that waits for the word to send: not a byte has to be read."""
    declared = headers.get(b"content-length", b"")
    if headers[b"expect"].lower() == b"100-continue" and declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes, close=True)


def _too_large(max_bytes: int, *, close: bool) -> RequestError:
    message = f"The body is larger than {max_bytes} bytes; send fewer rows at once."
    return RequestError(413, "body_too_large", message, close=close)
