"""Starting servers on their core, and ending every process that they left, whatever happens."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import httpx
import psutil

from benchmarks.serving.contestants import Contestant
from benchmarks.serving.environments import BUILD, python_of
from benchmarks.serving.machine import BenchmarkError
from toolchain.paths import REPOSITORY

_START_SECONDS: Final = 90
_STOP_SECONDS: Final = 8
_POLL_SECONDS: Final = 0.05
_TAIL_LINES: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36
# One thread, as in the service's image: the core is one.
_THREADS: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextmanager
def all_ended() -> Iterator[None]:
    """Ends whatever was started inside, also after Ctrl-C and SIGTERM.

    Some servers leave daemons in sessions of their own. As their subreaper this process stays their ancestor, so it
    finds them all, and ends nothing that it did not start.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
    try:
        yield
    finally:
        end_children()


def end_children() -> None:
    """Ends all descendants of this process: asked first, killed after 8 s."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        _signal(child, signal.SIGTERM)
    _, alive = psutil.wait_procs(children, timeout=_STOP_SECONDS)
    while alive := [*alive, *psutil.Process().children(recursive=True)]:
        for child in alive:
            _signal(child, signal.SIGKILL)
        _, alive = psutil.wait_procs(alive, timeout=_STOP_SECONDS)


@contextmanager
def serving(contestant: Contestant, core: int, variables: Mapping[str, str], first: bytes) -> Iterator[str]:
    """Runs a contestant's server, and gives its URL once it answers.

    Args:
        contestant: whose.
        core: the only core it may use.
        variables: the environment variables that tell it what to serve.
        first: a request that it has to answer with status 200 before it counts as started.

    Raises:
        BenchmarkError: it ends or does not answer.
    """
    # The service's log belongs on a disk, which /tmp may not be. The others' is below /tmp: Ray puts sockets into it,
    # whose paths may have no more than 107 characters.
    parent = BUILD if contestant.module == "scoring" else Path("/tmp")  # noqa: S108 - mkdtemp makes a fresh one
    folder = tempfile.mkdtemp(prefix="bench-", dir=parent)
    ports = free_port(), free_port()
    try:
        environment = _environment(contestant, variables, folder, ports)
        url = f"http://127.0.0.1:{ports[0]}{contestant.dialect.path}"
        with running(contestant.name, command_of(contestant), environment, core, (url, first)):
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(
    name: str, command: list[str], variables: Mapping[str, str], core: int, probe: tuple[str, bytes]
) -> Iterator[None]:
    """Runs a server for as long as the block lasts.

    Args:
        name: what errors and the log file call it.
        command: what to run, in the repository.
        variables: its environment, beside the few that every server has.
        core: the only core it may use.
        probe: a URL and a body that it has to answer with status 200 before the block begins.

    Raises:
        BenchmarkError: it ends or does not answer.
    """
    log = BUILD / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["taskset", "--cpu-list", str(core), *command],
                cwd=REPOSITORY,
                env=_base() | dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for this process, which then ends them in order
            )
        _await(name, process, probe, log)
        yield
    finally:
        end_children()


def command_of(contestant: Contestant) -> list[str]:
    """The command that runs a contestant's module in its environment."""
    return [str(python_of(contestant.environment)), "-m", f"benchmarks.serving.contestants.{contestant.module}"]


def run_module(environment: str, module: str, arguments: list[str], core: int, variables: Mapping[str, str]) -> str:
    """Runs a module that measures by itself, on the core of the servers, and gives what it prints.

    Raises:
        BenchmarkError: it fails.
    """
    command = ["taskset", "--cpu-list", str(core), str(python_of(environment)), "-m", module, *arguments]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**_base(), **variables, "PYTHONPATH": str(REPOSITORY / "services")},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise BenchmarkError(f"{module} ended with {done.returncode}: {done.stderr.strip()[-1500:]}")
    return done.stdout


def _environment(
    contestant: Contestant, variables: Mapping[str, str], folder: str, ports: tuple[int, int]
) -> dict[str, str]:
    found = {**variables, **contestant.variables}
    found |= {"BENCH_FOLDER": folder, "BENCH_PORT": str(ports[0]), "BENCH_SECOND_PORT": str(ports[1])}
    if contestant.environment == "scoring":
        found |= {
            "PYTHONPATH": str(REPOSITORY / "services"),
            "SCORING_LISTEN_HOST": "127.0.0.1",
            "SCORING_LISTEN_PORT": str(ports[0]),
            "SCORING_DRAIN_SECONDS": "0",
            "PREDICTION_STORE_URL": f"file://{folder}/predictions",
            "SCORING_LOG_FOLDER": f"{folder}/log",
        }
    return found


def _base() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | _THREADS | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def _await(name: str, process: subprocess.Popen[bytes], probe: tuple[str, bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    problem = "no answer"
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                problem = f"it ended with {process.returncode}"
                break
            try:
                answer = client.post(
                    probe[0], content=probe[1], headers={"content-type": "application/json"}, timeout=5
                )
            except httpx.TransportError as error:
                problem = f"no answer: {error}"
            else:
                if answer.status_code == httpx.codes.OK:
                    return
                problem = f"status {answer.status_code}: {answer.text[:200]}"
            time.sleep(_POLL_SECONDS)
    tail = "\n    ".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])
    raise BenchmarkError(f"{name} does not serve: {problem}; its log, {log}, ends with:\n    {tail}")


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _signal(process: psutil.Process, number: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)
