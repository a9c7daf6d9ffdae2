"""A scoring service as a process of its own."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVICES = Path(__file__).parents[4] / "services"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Service:
    """A running scoring process."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept alive."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and body, on a connection of its own; what is not bytes is sent as JSON."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = self.connect()
        try:
            connection.request(method, path, content, {"content-type": "application/json"} | dict(headers or {}))
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """As `ask`."""
        return self.ask("GET", path)

    def predict(self, *rows: Mapping[str, object]) -> tuple[int, dict[str, Any]]:
        """As `ask`."""
        return self.ask("POST", "/v1/predict", {"rows": rows})

    def wait_until(self, path: str, status: int) -> dict[str, Any]:
        """The body, once the path answers with this status."""
        answer: dict[str, Any] = {}

        def answers() -> bool:
            nonlocal answer
            assert self.process.poll() is None, self.output.read_text()
            try:
                found, answer = self.get(path)
            except OSError:
                return False
            return found == status

        eventually(answers, f"{path} answers {status}")
        return answer

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        connection = self.connect()
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        total = 0.0
        for line in text.splitlines():
            found = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
            if found and set(labels.items()) <= set(re.findall(r'(\w+)="([^"]*)"', found[1] or "")):
                total += float(found[2])
        return total

    @property
    def resident_bytes(self) -> int:
        """Memory that the process has in use."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE_BYTES

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it logged so far."""
        lines = self.output.read_text().splitlines()
        # LightGBM's C code writes a word of its own to stderr about a model that it cannot read, past any logger.
        return [json.loads(line) for line in lines if not line.startswith("[LightGBM] [Fatal]")]

    def events(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log of this event."""
        return [line for line in self.log if line["event"] == event]

    def stop(self) -> tuple[int, list[dict[str, Any]]]:
        """Waits for the end; gives the exit status and the log."""
        self.process.wait(timeout=30)
        return self.process.returncode, self.log

    def terminate(self) -> int:
        """Tells it to stop and waits for the end; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.stop()[0]


def start_service(output: Path, environment: Mapping[str, str], core: int | None = None) -> Service:
    """Starts a process, with this environment and nothing else of the test's own.

    Args:
        output: a file for what it logs.
        environment: its settings.
        core: the one core that it may use.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    fixed = {
        "PATH": os.environ["PATH"],
        "OMP_NUM_THREADS": "1",
        "SCORING_LISTEN_HOST": "127.0.0.1",
        "SCORING_LISTEN_PORT": str(port),
        "SCORING_DRAIN_SECONDS": "0",
    }
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    with output.open("ab") as file:
        process = subprocess.Popen(
            [*pinned, sys.executable, "-m", "scoring"],
            cwd=SERVICES,
            env=fixed | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    return Service(process, port, output)


def eventually(claim: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Waits until a claim holds."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
