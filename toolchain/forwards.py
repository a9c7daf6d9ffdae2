"""Reaching the Services of a cluster whose nodes are not this machine: `kubectl port-forward`, kept running."""

import json
import os
import re
import socket
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from toolchain.errors import ToolchainError

_IN_CLUSTER = re.compile(r"http://[a-z0-9.-]+\.svc\.cluster\.local:\d+")
_STARTED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
_START_SECONDS = 20.0

# A forward ends with the pod that it led to, so that each is begun anew until its shell is told to end.
_LOOP = 'while :; do "$@"; sleep 1; done'


@dataclass(frozen=True)
class Forward:
    """A port of 127.0.0.1 that leads to a Service.

    Attributes:
        port: on 127.0.0.1.
        pid: of the shell that keeps it running, the first of a process group of its own.
        created: when that process began, in seconds since the epoch; a later one of the same number is another.
    """

    port: int
    pid: int
    created: float

    @property
    def process(self) -> psutil.Process | None:
        """The shell, while it runs."""
        try:
            found = psutil.Process(self.pid)
            ended = found.create_time() != self.created or found.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return None if ended else found


def in_cluster_urls(texts: Iterable[str]) -> list[str]:
    """The `http://<service>.<namespace>.svc.cluster.local:<port>` that are in these texts, each once."""
    return list(dict.fromkeys(url for text in texts for url in _IN_CLUSTER.findall(text)))


def ensure(folder: Path, kubectl: Path, kubeconfig: Path, urls: Iterable[str]) -> dict[str, str]:
    """Forward a port of 127.0.0.1 to each of these in-cluster URLs, and return the URL that each then has here.

    A forward that runs is used again; one that ended is begun anew on the port that it had.

    Raises:
        ToolchainError: one does not start.
    """
    kept = _read(folder)
    forwards = {}
    for url in urls:
        known = kept.get(url)
        if known is None or known.process is None:
            forwards[url] = _start(folder, kubectl, kubeconfig, url, known.port if known else 0)
            _write(folder, {**kept, **forwards})
        else:
            forwards[url] = known
    return {url: f"http://127.0.0.1:{forward.port}" for url, forward in forwards.items()}


def stop(folder: Path) -> None:
    """End every forward that `ensure` began in this folder."""
    _end(_read(folder).values())
    _file(folder).unlink(missing_ok=True)


def _end(forwards: Iterable[Forward]) -> None:
    shells = [forward.process for forward in forwards]
    ended = [each for shell in shells if shell is not None for each in (shell, *shell.children(recursive=True))]
    for process in ended:
        process.terminate()
    psutil.wait_procs(ended, timeout=5)


def _start(folder: Path, kubectl: Path, kubeconfig: Path, url: str, port: int) -> Forward:
    parts = urlsplit(url)
    service, namespace = (parts.hostname or "").split(".")[:2]
    log = folder / f"forward-{namespace}-{service}-{parts.port}.log"
    chosen = port or _free_port()
    command = [
        *("/bin/sh", "-c", _LOOP, "forward", str(kubectl), f"--kubeconfig={kubeconfig}", "port-forward"),
        *("--address=127.0.0.1", f"--namespace={namespace}", f"service/{service}", f"{chosen}:{parts.port}"),
    ]
    # Not by `subprocess`, whose objects want to be there when the program ends: this one outlives us.
    pid = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    forward = Forward(chosen, pid, psutil.Process(pid).create_time())
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if log.exists() and _STARTED.search(log.read_text(encoding="utf-8")):
            return forward
        time.sleep(0.1)
    _end([forward])
    raise ToolchainError(
        f"forwarding a port to {service} in {namespace}",
        f"no start in {_START_SECONDS:.0f} s: {log.read_text(encoding='utf-8').strip()[-500:] or 'it printed nothing'}",
        f"see {log}, then run it again",
    )


def _free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on; one that is taken in between shows as a forward that fails."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _file(folder: Path) -> Path:
    return folder / "forwards.json"


def _read(folder: Path) -> dict[str, Forward]:
    path = _file(folder)
    if not path.exists():
        return {}
    return {url: Forward(**fields) for url, fields in json.loads(path.read_text(encoding="utf-8")).items()}


def _write(folder: Path, forwards: dict[str, Forward]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document = {url: asdict(forward) for url, forward in forwards.items()}
    _file(folder).write_text(json.dumps(document, indent=1), encoding="utf-8")
