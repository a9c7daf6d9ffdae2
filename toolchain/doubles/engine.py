"""The engine's log, as seen by a plugin."""

import enum
import threading

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc


class Severity(enum.Enum):
    """How the engine shows a message; an error also makes its operation fail."""

    DEBUG = engine_pb2.DEBUG
    INFO = engine_pb2.INFO
    WARNING = engine_pb2.WARNING
    ERROR = engine_pb2.ERROR


class EngineLog:
    """Writes to the log of the engine that started this plugin.

    The engine shows its log in the form the person asked for, `--json` too, where anything printed would spoil it.
    """

    def __init__(self, address: str) -> None:
        """Connects to the engine's own service at `address`."""
        self._channel = grpc.insecure_channel(address)
        self._engine = engine_pb2_grpc.EngineStub(self._channel)
        self._announced = threading.Event()

    def log(self, severity: Severity, message: str, urn: str = "") -> None:
        """Adds a message to the diagnostics of a resource, or of the stack where the URN is empty."""
        self._send(engine_pb2.LogRequest(severity=severity.value, message=message, urn=urn))

    def status(self, message: str, urn: str) -> None:
        """Shows what is going on with a resource, in place of what was shown before."""
        self._send(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=True))

    def announce(self, plugin: str) -> None:
        """Says once in this process that a stand-in answers for an official plugin."""
        if not self._announced.is_set():
            self._announced.set()
            self.log(Severity.INFO, f"stand-in for {plugin}: the official plugin is not installed")

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def _send(self, request: engine_pb2.LogRequest) -> None:
        try:
            self._engine.Log(request, timeout=10)
        except grpc.RpcError:
            # The engine shuts its log before its plugins. What a plugin says then has no reader, and must not turn
            # an operation that went well into one that failed.
            return
