"""Reading a request body without letting the client decide how much memory and time that takes."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from scoring.errors import RequestError

_DISCARDED_BODIES: Final = 4
"""How many times the limit is read and thrown away before the connection is cut.

A client that is still sending when the connection closes often never sees the answer that says why.
"""


async def read_json_body(request: Request, max_bytes: int, timeout_seconds: float) -> bytes:
    """The body of a JSON request.

    Raises:
        RequestError: it is declared as something else (415), larger than `max_bytes` (413), not here after
            `timeout_seconds` (408), or breaks off (400).
    """
    _refuse_other_types(request)
    expects_go_ahead = request.headers.get("expect", "").lower() == "100-continue"
    declared = request.headers.get("content-length", "")
    if expects_go_ahead and declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes, close=True)  # not a byte of it was sent yet
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _read(request, max_bytes)
    except TimeoutError:
        message = f"The body did not arrive within {timeout_seconds:g} s."
        raise RequestError(408, "body_too_slow", message, close=True) from None
    except ClientDisconnect:
        raise RequestError(400, "body_incomplete", "The body broke off.", close=True) from None


async def _read(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received <= max_bytes:
            body += chunk
        elif received > max_bytes * _DISCARDED_BODIES:
            raise _too_large(max_bytes, close=True)
        else:
            body.clear()
    if received > max_bytes:
        raise _too_large(max_bytes, close=False)
    return bytes(body)


def _refuse_other_types(request: Request) -> None:
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != "application/json":
        raise RequestError(415, "unsupported_media_type", "The Content-Type must be application/json.")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise RequestError(415, "unsupported_media_type", "The charset must be utf-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError(415, "unsupported_media_type", "The body must not be compressed.")


def _too_large(max_bytes: int, *, close: bool) -> RequestError:
    message = f"The body is larger than {max_bytes} bytes; send fewer rows at once."
    return RequestError(413, "body_too_large", message, close=close)
