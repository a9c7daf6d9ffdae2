"""Bodies that are too large, too deep, too slow or broken, over a real socket, with and without API keys."""

import contextlib
import hashlib
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import pytest
from lifecycle.manifest import Manifest, ModelFile
from lifecycle.store import ObjectStore
from obstore.store import LocalStore
from retraining.training import Trained
from tests.services.scoring.process.object_store import with_champion
from tests.services.scoring.process.service import Service, start_service

KEY: Final = "a key"
GROWTH_BYTES: Final = 64 * 1024 * 1024
"""What the process may grow by; it has about 150 MiB at first."""

_HUGE: Final = 100 * 1024 * 1024
_PIECE: Final = b" " * 65536


@pytest.fixture(scope="module", params=[False, True], ids=["open", "with keys"])
def service(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    trained: Trained,
    describe: Callable[[int, ModelFile], Manifest],
) -> Iterator[Service]:
    """One for all tests, which waits for a body for a second and keeps a log."""
    folder = tmp_path_factory.mktemp("bodies")
    with_champion(ObjectStore(LocalStore(folder / "models", mkdir=True)), trained, describe)
    settings = {
        "MODEL_STORE_URL": f"file://{folder}/models",
        "MODEL_NAME": "car-loan",
        "PREDICTION_STORE_URL": f"file://{folder}/predictions",
        "SCORING_BODY_TIMEOUT_SECONDS": "1",
        "SCORING_LOG_MODE": "async",
        "SCORING_LOG_FOLDER": str(folder / "wal"),
    }
    if request.param:
        settings["SCORING_API_KEYS_SHA256"] = hashlib.sha256(KEY.encode()).hexdigest()
    service = start_service(folder / "service.log", settings)
    try:
        service.wait_until("/ready", 200)
        yield service
        assert service.events("request_failed") == []
        assert service.terminate() == 0
    finally:
        service.process.kill()
        service.process.wait()


def _send(service: Service, pieces: Iterable[bytes], *headers: str, path: str = "/v1/predict") -> tuple[int, bytes]:
    """The status and all that came until the service closed; it may answer and close before all is sent."""
    head = [f"POST {path} HTTP/1.1", "host: x", "content-type: application/json", f"x-api-key: {KEY}", *headers]
    found = b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall("\r\n".join([*head, "", ""]).encode())
            for piece in pieces:
                connection.sendall(piece)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                found += piece
    return int(found[9:12] or b"0"), found


def _huge() -> Iterator[bytes]:
    for _ in range(_HUGE // len(_PIECE)):
        yield _PIECE


def _huge_in_chunks() -> Iterator[bytes]:
    for piece in _huge():
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def test_a_hundred_megabytes_are_refused_in_little_memory(service: Service) -> None:
    """Announced or not, to each route that takes a body."""
    before = service.resident_bytes
    announced = f"content-length: {_HUGE}"
    for path in ("/v1/predict", "/v1/labels", "/v2/models/car-loan/infer"):
        status, answer = _send(service, _huge(), announced, "connection: close", path=path)
        # A client that goes on sending may find the connection cut before it reads the answer.
        assert status in {413, 0}, answer
        status, answer = _send(service, _huge_in_chunks(), "transfer-encoding: chunked", "connection: close", path=path)
        assert status in {413, 0}, answer
    assert service.resident_bytes - before < GROWTH_BYTES
    assert service.metric("scoring_requests_rejected_total", reason="body_too_large") == 6


def test_a_client_that_asks_before_it_sends_is_told_at_once(service: Service) -> None:
    """Nothing has to be sent to hear that it would be too much."""
    status, answer = _send(service, [], f"content-length: {_HUGE}", "expect: 100-continue")
    assert status == 413, answer
    assert b"100 Continue" not in answer


def test_a_body_that_does_not_come_is_given_up(service: Service) -> None:
    """After the time that the settings give, with the connection."""
    for path in ("/v1/predict", "/v1/labels", "/v2/models/car-loan/infer"):
        status, answer = _send(service, [b'{"rows": ['], "content-length: 1000", path=path)
        assert status == 408, answer
        assert b"connection: close" in answer.lower()
    assert service.metric("scoring_requests_in_flight") == 1  # the scrape


def test_a_connection_that_breaks_off_leaves_nothing_behind(service: Service, row: dict[str, Any]) -> None:
    """Neither a request in flight nor an error; the next one is answered."""
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n")
            connection.sendall(f"x-api-key: {KEY}\r\ncontent-length: 1000\r\n\r\n{{".encode())
    status, _ = service.ask("POST", "/v1/predict", {"rows": [row]}, {"x-api-key": KEY})
    assert status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"rows":' * 200_000,
        b'{"rows":[{"car_value":' + b"[" * 900_000,
        b'{"inputs":' + b"[" * 900_000,
    ],
    ids=["arrays", "objects", "in a row", "in tensors"],
)
def test_a_deep_body_is_a_400(service: Service, body: bytes) -> None:
    """In the form of the route."""
    before = service.resident_bytes
    for path in ("/v1/predict", "/v1/labels", "/v2/models/car-loan/infer"):
        status, _ = service.ask("POST", path, body, {"x-api-key": KEY})
        assert status == 400
    assert service.resident_bytes - before < GROWTH_BYTES


@pytest.mark.parametrize(
    "request_",
    [b"\x00" * 100, b"GET\r\n\r\n", b"POST /v1/predict HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"x" * 1_000_000],
    ids=["nulls", "no path", "no number", "no end"],
)
def test_what_is_no_http_is_turned_away(service: Service, request_: bytes, row: dict[str, Any]) -> None:
    """The connection is closed, and the others are served."""
    address = ("127.0.0.1", service.port)
    with socket.create_connection(address, timeout=30) as connection, contextlib.suppress(OSError):
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    status, answer = service.ask("POST", "/v1/predict", {"rows": [row]}, {"x-api-key": KEY})
    assert status == 200, json.dumps(answer)
