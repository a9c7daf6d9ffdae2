"""Drives the real Pulumi CLI with the stand-ins, and plays the kubelet that a control plane without nodes lacks."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

_PROJECT, _STACK = "trial", "test"
_COMMAND_TIMEOUT_SECONDS = 90


@dataclass(frozen=True)
class Outcome:
    """What a CLI command came to.

    Attributes:
        code: its exit code.
        events: what the engine reported.
        text: what was printed besides.
    """

    code: int
    events: list[dict[str, Any]]
    text: str

    @property
    def operations(self) -> list[tuple[str, str]]:
        """Each step that changed something, in order: the operation and the resource's name."""
        found = []
        for event in self.events:
            metadata = event.get("resourcePreEvent", {}).get("metadata", {})
            if metadata and metadata["op"] not in ("same", "refresh") and "pulumi:p" not in metadata["type"]:
                found.append((metadata["op"], metadata["urn"].rpartition("::")[2]))
        return found

    @property
    def errors(self) -> str:
        """The messages of severity error, and what the CLI printed."""
        return "\n".join([*self.messages("error"), self.text])

    def messages(self, severity: str) -> list[str]:
        """The messages of a severity."""
        diagnostics = [event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event]
        return [entry["message"] for entry in diagnostics if entry["severity"] == severity]

    def detail(self, name: str) -> dict[str, str]:
        """The properties of a resource that a step changed, each with the kind of change."""
        for event in self.events:
            metadata = event.get("resourcePreEvent", {}).get("metadata", {})
            if metadata and metadata["urn"].endswith(f"::{name}") and metadata.get("detailedDiff"):
                return {path: entry["diffKind"] for path, entry in metadata["detailedDiff"].items()}
        return {}


@dataclass
class Stack:
    """A Pulumi project with one stack in a plain file backend of its own.

    Attributes:
        folder: holds everything.
        environment: what the CLI runs with.
        python: the virtual environment's folder.
        pulumi: the CLI.
    """

    folder: Path
    environment: Mapping[str, str]
    python: Path
    pulumi: Path
    config: dict[str, Any] = field(default_factory=dict)

    def write(self, program: str) -> None:
        """Writes the program; the first time makes the stack, too."""
        source = self.folder / "infra"
        source.mkdir(parents=True, exist_ok=True)
        (source / "__main__.py").write_text(program)
        if not (self.folder / "Pulumi.yaml").exists():
            runtime = {"name": "python", "options": {"virtualenv": str(self.python)}}
            project = {"name": _PROJECT, "main": "infra/", "runtime": runtime}
            (self.folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
            (self.folder / "state").mkdir()
            self._succeed("stack", "init", _STACK)

    def lose_state(self) -> None:
        """Starts over with an empty state, as after an accident; what the stack made is still there."""
        shutil.rmtree(self.folder / "state")
        (self.folder / "state").mkdir()
        self._succeed("stack", "init", _STACK)

    def configure(self, **values: object) -> None:
        """Sets configuration values; None takes one away."""
        path = self.folder / f"Pulumi.{_STACK}.yaml"
        content = yaml.safe_load(path.read_text())
        settings = content.setdefault("config", {})
        for key, value in values.items():
            settings.pop(f"{_PROJECT}:{key}", None)
            if value is not None:
                settings[f"{_PROJECT}:{key}"] = value
        path.write_text(yaml.safe_dump(content))

    def command(self, *arguments: str) -> Outcome:
        """Runs a command whose events are wanted: preview, up, refresh, destroy."""
        with self.started(*arguments) as process:
            return self.finished(process)

    def succeed(self, *arguments: str) -> Outcome:
        """As `command`, and it must go well."""
        outcome = self.command(*arguments)
        assert outcome.code == 0, outcome.errors
        return outcome

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Starts a command and leaves it running."""
        yes = [] if arguments[0] == "preview" else ["--yes", "--skip-preview"]
        command = [str(self.pulumi), *arguments, "--json", "--stack", _STACK, "--non-interactive", *yes]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            yield process

    def finished(self, process: subprocess.Popen[str]) -> Outcome:
        """Waits for a command's end."""
        output, errors = process.communicate(timeout=_COMMAND_TIMEOUT_SECONDS)
        lines = [line for line in output.splitlines() if line.startswith('{"')]
        rest = [line for line in output.splitlines() if not line.startswith('{"')]
        return Outcome(process.returncode, [json.loads(line) for line in lines], "\n".join([*rest, errors]))

    def state_text(self) -> str:
        """The state as it lies on the disk."""
        return (self.folder / "state" / ".pulumi" / "stacks" / _PROJECT / f"{_STACK}.json").read_text()

    def resources(self) -> dict[str, dict[str, Any]]:
        """The recorded resources by name."""
        recorded = json.loads(self.state_text())["checkpoint"]["latest"]["resources"]
        return {entry["urn"].rpartition("::")[2]: entry for entry in recorded}

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; secret ones stay encrypted."""
        return dict(self.resources()[f"{_PROJECT}-{_STACK}"].get("outputs", {}))

    @property
    def _environment(self) -> dict[str, str]:
        return {**self.environment, "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}"}

    def _succeed(self, *arguments: str) -> None:
        subprocess.run(
            [str(self.pulumi), *arguments], cwd=self.folder, env=self._environment, check=True, capture_output=True
        )


@dataclass(frozen=True)
class Kubectl:
    """A second pair of eyes on the cluster, and a second hand in a namespace; none is what each object says itself."""

    program: Path
    kubeconfig: Path
    namespace: str

    def __call__(self, *arguments: str) -> str:
        """Runs a command in the namespace; gives what it printed."""
        where = [f"--namespace={self.namespace}"] if self.namespace else []
        command = [str(self.program), f"--kubeconfig={self.kubeconfig}", *where, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """An object or a list."""
        found: dict[str, Any] = json.loads(self("get", *arguments, "--output=json"))
        return found

    def names(self, kind: str) -> list[str]:
        """The names of all objects of a kind."""
        return [item["metadata"]["name"] for item in self.get(kind)["items"]]


class Kubelet:
    """Gives every pod of a namespace a status, as a node would."""

    def __init__(self, kubectl: Kubectl, status: Mapping[str, Any]) -> None:
        """Takes the status that pods come to."""
        self._kubectl = kubectl
        self._patch = json.dumps({"status": status})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        """Starts."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        done: set[str] = set()
        while not self._stop.wait(0.2):
            for name in set(self._kubectl.names("pods")) - done:
                with contextlib.suppress(AssertionError):  # a pod that is gone by now
                    self._kubectl(
                        "patch", "pod", name, "--subresource=status", "--type=merge", f"--patch={self._patch}"
                    )
                done.add(name)


def eventually(claim: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    """Waits until a claim holds."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)


def children_of(process: subprocess.Popen[str]) -> list[int]:
    """The ids of the processes that a process started: the CLI's plugins."""
    task = Path("/proc") / str(process.pid) / "task"
    return [int(child) for thread in task.iterdir() for child in (thread / "children").read_text().split()]


def is_alive(process_id: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return (Path("/proc") / str(process_id) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def interrupt(process: subprocess.Popen[str]) -> None:
    """Does to a CLI what Ctrl-C does."""
    os.kill(process.pid, signal.SIGINT)
