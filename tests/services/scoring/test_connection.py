"""What is answered on the connection itself is what the application would answer, and the rest is left to it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest
from scoring.app import Dependencies, create_app
from scoring.connection import Connection
from scoring.hot import PATHS
from scoring.recording import LabelRecord, ScoredRows
from scoring.wire import LabelOutcome
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from scoring import connection

INFER = "/v2/models/car-loan/infer"
DATE = (b"date", b"Thu, 01 Jan 2026 00:00:00 GMT")


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        """Starts open and empty."""
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See asyncio.Transport."""
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        """See asyncio.Transport."""
        return self.closed

    def close(self) -> None:
        """See asyncio.Transport."""
        self.closed = True

    def pause_reading(self) -> None:
        """See asyncio.Transport."""

    def resume_reading(self) -> None:
        """See asyncio.Transport."""


class Log:
    """Counts records, and is waited for where it is told so."""

    def __init__(self, *, waits: bool) -> None:
        """Args: whether it is waited for."""
        self.records = 0
        self._waits = waits

    def write(self, _rows: ScoredRows) -> Awaitable[None] | None:
        """See PredictionLog."""
        self.records += 1
        return asyncio.sleep(0) if self._waits else None

    async def write_labels(self, labels: Sequence[LabelRecord]) -> list[LabelOutcome]:
        """See PredictionLog."""
        raise NotImplementedError


@dataclass
class Exchange:
    """What came of some pieces of bytes."""

    written: bytes
    at_once: int
    """How many answers the connection gave itself."""
    closed: bool

    def answers(self) -> list[tuple[bytes, list[bytes], Any]]:
        """Status line, header lines and body of each answer."""
        found, rest = [], self.written
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            status, *headers = head.split(b"\r\n")
            length = int(next(line for line in headers if line.startswith(b"content-length")).split()[1])
            found.append((status, headers, json.loads(rest[:length])))
            rest = rest[length:]
        return found


def _request(path: str, body: object, *headers: str, method: str = "POST", version: str = "1.1") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/{version}", "host: scoring", f"content-length: {len(content)}"]
    lines += [
        *headers,
        *([] if any("content-type" in line for line in headers) else ["content-type: application/json"]),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


def _exchange(
    dependencies: Dependencies,
    pieces: Sequence[bytes],
    *,
    plain: bool = False,
    answers: int = 1,
    also: Sequence[tuple[bytes, bytes]] = (),
) -> Exchange:
    """Sends pieces and waits for answers: by our connection, or by uvicorn's own."""
    app = create_app(dependencies)
    given = 0

    def at_once(path: bytes, headers: Mapping[bytes, bytes], body: bytes) -> tuple[bytes, bytes] | None:
        nonlocal given
        found = app.at_once(path, headers, body)
        given += found is not None
        return found

    async def run() -> Exchange:
        config = Config(app, http="httptools", lifespan="off", log_config=None, access_log=False)
        config.load()
        state = ServerState()
        state.default_headers = [DATE, *also]
        make: Callable[..., HttpToolsProtocol] = HttpToolsProtocol if plain else partial(Connection, PATHS, at_once)
        protocol = make(config=config, server_state=state, app_state={}, _loop=asyncio.get_running_loop())
        wire = Wire()
        protocol.connection_made(wire)
        for piece in pieces:
            protocol.data_received(piece)
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while state.total_requests < answers:  # noqa: ASYNC110 - uvicorn counts, and tells nobody
                await asyncio.sleep(0)
        protocol.connection_lost(None)
        return Exchange(b"".join(wire.written), given, wire.closed)

    return asyncio.run(run())


@pytest.fixture
def body(row: dict[str, Any]) -> dict[str, Any]:
    """One row."""
    return {"rows": [row]}


def _without_names(answer: tuple[bytes, list[bytes], Any]) -> tuple[bytes, list[bytes], Any]:
    """The answer without what differs from request to request."""
    status, headers, body = answer
    for prediction in body.get("predictions", []):
        del prediction["id"]
    outputs = [output for output in body.get("outputs", []) if output["name"] != "prediction_id"]
    return status, [line for line in headers if not line.startswith(b"x-request-id")], body | {"outputs": outputs}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("path", ["/v1/predict", INFER, "/v2/models/car-loan/versions/1/infer"])
def test_an_answer_at_once_is_the_applications_own(
    dependencies: Dependencies, row: dict[str, Any], path: str, rows: int
) -> None:
    """Status, headers and body, in one write or in two; only the ids are new."""
    body: object = {"rows": [row] * rows}
    if path != "/v1/predict":
        schema = dependencies.champion.current.manifest.feature_schema  # type: ignore[union-attr] # it serves
        datatypes = {"numeric": "FP64", "categorical": "BYTES", "boolean": "BOOL"}
        inputs = [
            {"name": f.name, "shape": [rows], "datatype": datatypes[f.kind], "data": [row[f.name]] * rows}
            for f in schema.features
        ]
        body = {"inputs": inputs}
    ours, theirs = (_exchange(dependencies, [_request(path, body)], plain=plain) for plain in (False, True))
    assert (ours.at_once, theirs.at_once) == (1, 0)
    assert [_without_names(a) for a in ours.answers()] == [_without_names(a) for a in theirs.answers()]
    assert ours.answers()[0][0] == b"HTTP/1.1 200 OK"


def test_a_client_names_its_request(dependencies: Dependencies, body: dict[str, Any]) -> None:
    """As everywhere."""
    found = _exchange(dependencies, [_request("/v1/predict", body, "x-request-id: mine-1")])
    assert found.at_once == 1
    assert b"x-request-id: mine-1" in found.answers()[0][1]


@pytest.mark.parametrize("cut", [5, 60, 200, -1], ids=["first line", "head", "body", "last byte"])
def test_a_body_that_comes_in_pieces_is_answered(dependencies: Dependencies, body: dict[str, Any], cut: int) -> None:
    """At once while the head is not through, else by the application."""
    request = _request("/v1/predict", body)
    found = _exchange(dependencies, [request[:cut], request[cut:]])
    assert found.answers()[0][0] == b"HTTP/1.1 200 OK"
    assert found.at_once == (cut in {5, 60})


def test_pipelined_requests_are_answered_in_their_order(dependencies: Dependencies, row: dict[str, Any]) -> None:
    """Whether at once or not, in one piece or byte by byte."""
    requests = b"".join(
        (
            _request("/v1/predict", {"rows": [row]}, "x-request-id: one"),
            _request("/live", b"", "x-request-id: two", method="GET"),
            _request("/v1/predict", {"rows": [row]}, "x-request-id: three"),
            _request("/v1/predict", {"rows": []}, "x-request-id: four"),
            _request("/v1/predict", {"rows": [row]}, "x-request-id: five"),
        )
    )
    for pieces in ([requests], [requests[i : i + 1] for i in range(len(requests))]):
        found = _exchange(dependencies, pieces, answers=5)
        names = [line for _, headers, _ in found.answers() for line in headers if line.startswith(b"x-request-id")]
        assert names == [b"x-request-id: " + name for name in (b"one", b"two", b"three", b"four", b"five")]


@pytest.mark.parametrize(
    ("headers", "version", "status"),
    [
        (("connection: close",), "1.1", 200),
        ((), "1.0", 200),
        (("connection: keep-alive",), "1.0", 200),
        (("expect: 100-continue",), "1.1", 200),
        (("content-type: text/plain",), "1.1", 415),
        (("content-encoding: gzip",), "1.1", 415),
    ],
)
def test_what_is_not_plain_is_the_applications(
    dependencies: Dependencies, body: dict[str, Any], headers: tuple[str, ...], version: str, status: int
) -> None:
    """It closes, goes on and refuses as it always did."""
    request = _request("/v1/predict", body, *headers, version=version)
    ours, theirs = (_exchange(dependencies, [request], plain=plain) for plain in (False, True))
    assert ours.at_once == 0
    assert ours.closed == theirs.closed
    assert str(status).encode() in ours.written
    assert len(ours.written) == len(theirs.written)


@pytest.fixture
def heads_parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The paths of the heads that are parsed; none is known from before."""
    parsed: list[bytes] = []
    complete = Connection.on_headers_complete

    def on_headers_complete(self: Connection) -> None:
        parsed.append(self.url)
        complete(self)

    monkeypatch.setattr(Connection, "on_headers_complete", on_headers_complete)
    monkeypatch.setattr(connection, "_known_heads", {})
    return parsed


def test_a_head_that_came_before_is_not_parsed_again(
    dependencies: Dependencies, body: dict[str, Any], heads_parsed: list[bytes]
) -> None:
    """The answers are alike, whoever sends it; a head that differs in one byte is parsed."""
    request = _request("/v1/predict", body)
    first, second = (_exchange(dependencies, [request] * 3, answers=3) for _ in range(2))
    assert heads_parsed == [b"/v1/predict"]
    assert first.at_once == second.at_once == 3
    answers = [_without_names(answer) for found in (first, second) for answer in found.answers()]
    assert answers == [answers[0]] * 6
    assert answers[0][0] == b"HTTP/1.1 200 OK"
    found = _exchange(dependencies, [_request("/v1/predict", body, "x-request-id: mine")])
    assert len(heads_parsed) == 2
    assert b"x-request-id: mine" in found.answers()[0][1]


@pytest.mark.parametrize("cut", [5, 60, 200, -1], ids=["first line", "head", "body", "last byte"])
def test_a_known_head_that_does_not_come_with_its_whole_body_is_parsed(
    dependencies: Dependencies, body: dict[str, Any], heads_parsed: list[bytes], cut: int
) -> None:
    """In pieces, or with the next request behind it."""
    request = _request("/v1/predict", body)
    pieces = [request, request[:cut], request[cut:], request + request]
    found = _exchange(dependencies, pieces, answers=4)
    assert [answer[0] for answer in found.answers()] == [b"HTTP/1.1 200 OK"] * 4
    assert len(heads_parsed) == 4


def test_a_known_head_within_a_body_is_a_part_of_the_body(
    dependencies: Dependencies, body: dict[str, Any], heads_parsed: list[bytes]
) -> None:
    """Otherwise a client behind a proxy could slip a request in between those of others."""
    request = _request("/v1/predict", body)
    for outer in (
        _request("/v1/predict", request),
        _request("/live", request, method="GET"),
        b"POST /v1/predict HTTP/1.1\r\nhost: scoring\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(request), request),
    ):
        at = outer.index(request)
        pieces = [request, outer[:at], request, *([outer[at + len(request) :]] if not outer.endswith(request) else [])]
        ours, theirs = (_exchange(dependencies, pieces, plain=plain, answers=2) for plain in (False, True))
        assert ours.at_once == 1
        assert [answer[0] for answer in ours.answers()] == [answer[0] for answer in theirs.answers()]
        assert len(ours.answers()) == 2
    assert len(heads_parsed) == 4


def test_a_body_in_chunks_teaches_no_head(
    dependencies: Dependencies, body: dict[str, Any], heads_parsed: list[bytes]
) -> None:
    """Its head does not say where it ends."""
    content = json.dumps(body).encode()
    head = _request("/v1/predict", b"", "transfer-encoding: chunked").replace(b"content-length: 0\r\n", b"")
    request = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    found = _exchange(dependencies, [request] * 2, answers=2)
    assert [answer[0] for answer in found.answers()] == [b"HTTP/1.1 200 OK"] * 2
    assert len(heads_parsed) == 2


def test_the_heads_that_are_known_are_bounded(
    dependencies: Dependencies, body: dict[str, Any], heads_parsed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each request has a name of its own, and where a head is long."""
    monkeypatch.setattr(connection, "_MOST_KNOWN_HEADS", 10)
    requests = [_request("/v1/predict", body, f"x-request-id: {number}") for number in range(25)]
    long = _request("/v1/predict", body, f"x-long: {'x' * 1100}")
    found = _exchange(dependencies, [*requests, long, long], answers=27)
    assert found.at_once == len(heads_parsed) == 27
    assert len(connection._known_heads) == 5


def test_a_refusal_is_counted_once(dependencies: Dependencies, row: dict[str, Any]) -> None:
    """The application says what is wrong; what was tried before it leaves no trace."""
    found = _exchange(dependencies, [_request("/v1/predict", {"rows": [row | {"car_value": "much"}]})])
    assert found.at_once == 0
    assert found.answers()[0][0].startswith(b"HTTP/1.1 422")
    text = "scoring_requests_rejected_total"
    metric = next(m for m in dependencies.metrics.registry.collect() if m.name == text.removesuffix("_total"))
    assert [sample.value for sample in metric.samples if sample.name == text] == [1]


def test_a_process_that_stops_leaves_it_to_the_application(dependencies: Dependencies, body: dict[str, Any]) -> None:
    """Which closes the connection behind its answer."""
    found = _exchange(dependencies, [_request("/v1/predict", body)], also=[(b"connection", b"close")])
    assert (found.at_once, found.closed) == (0, True)


@pytest.mark.parametrize(("mode", "at_once"), [("off", 1), ("async", 1), ("sync", 0)])
def test_a_log_that_must_be_waited_for_is_waited_for(
    dependencies: Dependencies, body: dict[str, Any], mode: str, at_once: int
) -> None:
    """One record for each answer in every mode."""
    log = Log(waits=mode == "sync")
    settings = dependencies.settings.model_copy(update={"log_mode": mode})
    found = _exchange(
        replace(dependencies, settings=settings, log=None if mode == "off" else log), [_request("/v1/predict", body)]
    )
    assert found.at_once == at_once
    assert log.records == (mode != "off")
    assert found.answers()[0][0] == b"HTTP/1.1 200 OK"


def test_a_client_that_does_not_read_is_waited_for(dependencies: Dependencies, body: dict[str, Any]) -> None:
    """Its answers do not pile up in memory."""

    async def run() -> None:
        app = create_app(dependencies)
        config = Config(app, http="httptools", lifespan="off", log_config=None)
        config.load()
        state, wire = ServerState(), Wire()
        connection = Connection(PATHS, app.at_once, config=config, server_state=state, app_state={})
        connection.connection_made(wire)
        connection.pause_writing()
        connection.data_received(_request("/v1/predict", body))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not wire.written
        connection.resume_writing()
        await asyncio.gather(*state.tasks)
        assert b"".join(wire.written).startswith(b"HTTP/1.1 200 OK")
        connection.connection_lost(None)

    asyncio.run(run())


class Clock:
    """A loop's clock and timers, moved by hand; all else is the loop's own."""

    def __init__(self) -> None:
        """Starts at an odd time."""
        self.now = 1000.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.create_task = asyncio.get_running_loop().create_task

    def time(self) -> float:
        """See asyncio."""
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Mock:
        """See asyncio."""
        self.timers.append((self.now + delay, callback))
        return Mock()

    def pass_by(self, seconds: float) -> None:
        """Moves on, and calls what is due."""
        self.now += seconds
        due = [timer for timer in self.timers if timer[0] <= self.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for _, callback in due:
            callback()


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(dependencies: Dependencies, body: dict[str, Any]) -> None:
    """One timer however many answers, and the whole time after the last word."""

    async def run() -> None:
        app = create_app(dependencies)
        config = Config(app, http="httptools", lifespan="off", log_config=None, timeout_keep_alive=10)
        config.load()
        clock, wire = Clock(), Wire()
        connection = Connection(
            PATHS,
            app.at_once,
            config=config,
            server_state=ServerState(),
            app_state={},
            _loop=clock,
        )
        connection.connection_made(wire)
        for _ in range(5):
            connection.data_received(_request("/v1/predict", body))
            assert len(clock.timers) == 1
            clock.pass_by(6)
        assert len(wire.written) == 5
        clock.pass_by(3.9)
        assert not wire.closed
        clock.pass_by(0.2)
        assert wire.closed

    asyncio.run(run())


def test_large_bodies_and_contributions_are_not_scored_on_the_connection(
    dependencies: Dependencies, row: dict[str, Any]
) -> None:
    """They would hold up everyone else."""
    many = {"rows": [row] * 30}
    assert len(json.dumps(many)) > dependencies.settings.inline_body_bytes
    for body in (many, {"rows": [row], "contributions": True}):
        found = _exchange(dependencies, [_request("/v1/predict", body)])
        assert (found.at_once, found.answers()[0][0]) == (0, b"HTTP/1.1 200 OK")
