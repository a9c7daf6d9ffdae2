"""Runs a gRPC service the way the engine expects of a plugin."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from pulumi.runtime.proto import provider_pb2, status_pb2

from toolchain.doubles.errors import InitializationError, RefusedError
from toolchain.doubles.properties import encode

# The engine sends whole states; the SDK sets the same bound on its side.
_MESSAGE_BYTES_MAX = 400 * 1024 * 1024
# A call waits in its thread, so there must be one for every resource that can be under way at once.
_WORKERS_MAX = 512


@dataclass(frozen=True, slots=True)
class Method:
    """A call that the engine may make.

    Attributes:
        request: the type of its message.
        answer: gives the answer; for a stream, an iterator of answers.
        streams: whether the answer is a stream.
    """

    request: type[Message]
    answer: Callable[[Any], Message | Iterator[Message]]
    streams: bool = False


def engine_address(arguments: list[str]) -> str:
    """The address of the engine's own service: the last argument, after the logging flags.

    Raises:
        SystemExit: a person, not the engine, started the plugin.
    """
    if not arguments or arguments[-1].startswith("-"):
        message = "this is a Pulumi plugin: the pulumi CLI starts it with the address of its engine"
        raise SystemExit(message)
    return arguments[-1]


def serve(service: str, methods: Mapping[str, Method], *, on_stop: Callable[[], None] = lambda: None) -> None:
    """Serves on a free port of 127.0.0.1 until SIGINT, SIGTERM or the engine's death, then ends the process.

    The port is printed as the first line of the standard output, which is how the engine learns it.

    Args:
        service: its full name in the protocol.
        methods: its calls by name; any other is answered UNIMPLEMENTED.
        on_stop: runs when the end comes, to let calls that wait end early.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_watch_engine, args=(stop,), daemon=True).start()
    options = [
        ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
    ]
    server = grpc.server(ThreadPoolExecutor(max_workers=_WORKERS_MAX), options=options)
    server.add_generic_rpc_handlers((handlers(service, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    stop.wait()
    on_stop()
    server.stop(grace=2).wait()
    sys.stdout.flush()
    # A call that did not end within the grace period holds a thread that the interpreter would wait for, while the
    # engine kills the plugin 5 s after its signal.
    os._exit(0)


def handlers(service: str, methods: Mapping[str, Method]) -> grpc.GenericRpcHandler:
    """What a gRPC server needs to offer the service."""
    return grpc.method_handlers_generic_handler(service, {name: _handler(method) for name, method in methods.items()})


def _handler(method: Method) -> "grpc.RpcMethodHandler[Message, Message]":
    deserializer = method.request.FromString
    if method.streams:
        return grpc.unary_stream_rpc_method_handler(
            lambda request, context: _stream(method, request, context),
            request_deserializer=deserializer,
            response_serializer=_serialize,
        )
    return grpc.unary_unary_rpc_method_handler(
        lambda request, context: next(_stream(method, request, context)),
        request_deserializer=deserializer,
        response_serializer=_serialize,
    )


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _stream(method: Method, request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
    try:
        answer = method.answer(request)
        if isinstance(answer, Message):
            yield answer
        else:
            yield from answer
    except RefusedError as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
    except InitializationError as error:
        context.set_trailing_metadata((("grpc-status-details-bin", _details(error).SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
    except Exception as error:  # noqa: BLE001 - this is the boundary: whatever went wrong, the engine gets an answer
        trace = "".join(traceback.format_exception(error))
        context.abort(grpc.StatusCode.UNKNOWN, f"a defect of the stand-in: {error}\n{trace}")


def _details(error: InitializationError) -> status_pb2.Status:
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.identifier,
            properties=encode(error.outputs),
            inputs=encode(error.inputs),
            reasons=error.reasons,
        )
    )
    return status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])


def _watch_engine(stop: threading.Event) -> None:
    """Stops a plugin whose engine was killed: its end of the standard input then closes."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop.set()
