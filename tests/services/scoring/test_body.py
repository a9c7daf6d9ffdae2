"""Memory and time that a body takes are bounded by us, not by who sends it."""

import asyncio
from collections.abc import Iterable

import pytest
from scoring.body import read_body, refuse_unless_json
from scoring.errors import RequestError
from starlette.types import Message

JSON = {"content-type": "application/json"}


def _read(chunks: Iterable[bytes | float | None], headers: dict[str, str] | None = None) -> tuple[bytes, int]:
    """Reads a body of at most 10 bytes sent in these chunks; a float is a pause, None a broken connection."""
    taken = 0
    source = iter(chunks)

    async def receive() -> Message:
        nonlocal taken
        for chunk in source:
            taken += 1
            if chunk is None:
                return {"type": "http.disconnect"}
            if isinstance(chunk, float):
                await asyncio.sleep(chunk)
                continue
            return {"type": "http.request", "body": chunk, "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    raw = {name.encode(): value.encode() for name, value in (JSON if headers is None else headers).items()}
    refuse_unless_json(raw)
    return asyncio.run(read_body(raw, receive, max_bytes=10, timeout_seconds=0.05)), taken


def test_a_body_in_pieces_is_put_together() -> None:
    """Up to the limit, the limit included."""
    assert _read([b"12345", b"", b"67890"])[0] == b"1234567890"


@pytest.mark.parametrize(
    ("chunks", "status", "code", "close"),
    [
        ([b"12345", b"678901"], 413, "body_too_large", False),
        ([b"x" * 11] * 1000, 413, "body_too_large", True),
        ([b"x" * 1_000_000], 413, "body_too_large", True),
        ([b"123", 5.0, b"456"], 408, "body_too_slow", True),
        ([b"123", None], 400, "body_incomplete", True),
    ],
)
def test_a_body_too_large_too_slow_or_broken_is_refused(
    chunks: list[bytes | float | None], status: int, code: str, *, close: bool
) -> None:
    """Without Content-Length too; the connection is closed when more is still to come."""
    with pytest.raises(RequestError) as caught:
        _read(chunks)
    assert (caught.value.status, caught.value.body.error.code, caught.value.close) == (status, code, close)


def test_reading_a_body_without_end_stops() -> None:
    """After a few times the limit, which gives a slow client the time to hear the answer."""
    endless = [b"12345"] * 1_000_000
    source = iter(endless)
    with pytest.raises(RequestError):
        _read(source)
    assert sum(1 for _ in source) > 999_900


def test_a_body_announced_too_large_is_refused_before_it_is_sent() -> None:
    """A client that asks first is told before the first byte."""
    source = iter([b"12345"])
    with pytest.raises(RequestError) as caught:
        _read(source, JSON | {"content-length": "100000000", "expect": "100-continue"})
    assert caught.value.status == 413
    assert next(source) == b"12345"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        JSON | {"content-encoding": "gzip"},
    ],
)
def test_another_content_type_is_refused(headers: dict[str, str]) -> None:
    """Before the body is read."""
    with pytest.raises(RequestError) as caught:
        _read([b"{}"], headers)
    assert (caught.value.status, caught.value.body.error.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_json_is_accepted_however_it_is_spelt(content_type: str) -> None:
    """With the charset or without."""
    assert _read([b"{}"], {"content-type": content_type})[0] == b"{}"
