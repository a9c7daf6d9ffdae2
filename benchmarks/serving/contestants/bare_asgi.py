"""The limit of any Python web service: an ASGI application that reads a body and answers with as many bytes.

It runs on the service's own server with the service's own settings, so what differs is the service's work alone.
"""

import os

from scoring.server import Drain, build_server
from scoring.settings import ScoringSettings
from starlette.types import Receive, Scope, Send

from benchmarks.serving.workload import BATCH_ROWS

# A body of one row is far shorter than this, one of 64 far longer.
_LONGEST_SINGLE_ROW_BYTES = 4096


def _answer(size_bytes: int) -> tuple[dict[str, object], dict[str, object]]:
    headers = [(b"content-length", str(size_bytes).encode()), (b"content-type", b"application/json")]
    return (
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": b'"' + b"x" * (size_bytes - 2) + b'"'},
    )


_ONE = _answer(int(os.environ["BENCH_ANSWER_BYTES_1"]))
_BATCH = _answer(int(os.environ[f"BENCH_ANSWER_BYTES_{BATCH_ROWS}"]))


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers any request."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})
        return
    received = 0
    while True:
        message = await receive()
        received += len(message.get("body", b""))
        if not message.get("more_body", False):
            break
    start, body = _ONE if received <= _LONGEST_SINGLE_ROW_BYTES else _BATCH
    await send(start)
    await send(body)


if __name__ == "__main__":
    build_server(app, ScoringSettings(), Drain(0)).run()
