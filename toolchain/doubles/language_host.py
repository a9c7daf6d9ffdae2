"""Stand-in for `pulumi-language-python`, the plugin that runs Python programs for the engine.

Promises what `pulumi preview`, `up`, `refresh`, `destroy`, `about` and `install` ask of it: the program runs in a
process of its own, in the interpreter of the virtual environment that Pulumi.yaml names (`runtime.options.virtualenv`,
relative to that file; without it `python3` or `python` on PATH), in the folder of the program, with configuration,
secrets, stack, project and organization. What it prints is shown; an exception is shown once, as the traceback of the
program's own frames. Plugins written in Python run too, policy packs (`--policy-pack`) among them, each in the virtual
environment that its own project file names.

Does not promise: other tool chains than pip (`runtime.options.toolchain` uv or poetry), finding the plugins that the
installed SDKs want (plugins are taken from PATH), code generation, conversion, debugging.
"""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from toolchain.doubles.protos import skip_sdk

skip_sdk()

from google.protobuf import empty_pb2  # noqa: E402 - only what follows may import the SDK
from google.protobuf.message import Message  # noqa: E402
from pulumi.runtime.proto import language_pb2, plugin_pb2  # noqa: E402

from toolchain.doubles import language_program  # noqa: E402
from toolchain.doubles.engine import EngineLog  # noqa: E402
from toolchain.doubles.errors import RefusedError  # noqa: E402
from toolchain.doubles.server import Method, engine_address, serve  # noqa: E402

PLUGIN = "pulumi-language-python"

# Newest release whose interface this follows; the engine only shows it.
_VERSION = "3.246.0"

_LIST_PACKAGES = """
import importlib.metadata, json
print(json.dumps(sorted((d.name, d.version) for d in importlib.metadata.distributions())))
"""


class LanguageHost:
    """The engine's calls; one program runs at a time, and beside it as many plugins as it starts."""

    def __init__(self, engine: str) -> None:
        """Takes the address of the engine."""
        self._engine = engine
        self._log = EngineLog(engine)
        self._program: subprocess.Popen[bytes] | None = None
        self._plugins: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def methods(self) -> Mapping[str, Method]:
        """Each call that is answered."""
        return {
            "Handshake": Method(
                language_pb2.LanguageHandshakeRequest, lambda _: language_pb2.LanguageHandshakeResponse()
            ),
            "GetPluginInfo": Method(empty_pb2.Empty, lambda _: plugin_pb2.PluginInfo(version=_VERSION)),
            "GetRequiredPackages": Method(
                language_pb2.GetRequiredPackagesRequest, lambda _: language_pb2.GetRequiredPackagesResponse()
            ),
            "RuntimeOptionsPrompts": Method(
                language_pb2.RuntimeOptionsRequest, lambda _: language_pb2.RuntimeOptionsResponse()
            ),
            "Run": Method(language_pb2.RunRequest, self._run),
            "RunPlugin": Method(language_pb2.RunPluginRequest, self._run_plugin, streams=True),
            "About": Method(language_pb2.AboutRequest, self._about),
            "GetProgramDependencies": Method(language_pb2.GetProgramDependenciesRequest, self._dependencies),
            "InstallDependencies": Method(language_pb2.InstallDependenciesRequest, self._install, streams=True),
            "Cancel": Method(empty_pb2.Empty, self._cancel),
        }

    def stop(self) -> None:
        """Ends the program and the plugins that run."""
        with self._lock:
            for process in (self._program, *self._plugins):
                if process is not None and process.poll() is None:
                    process.terminate()

    def _run(self, request: language_pb2.RunRequest) -> Message:
        self._log.announce(PLUGIN)
        python = interpreter(request.info)
        if not request.args:
            # The engine's own address is the program's first argument, as the official host passes it.
            request.args.append(self._engine)
        with self._lock:
            self._program = subprocess.Popen(
                [python, "-u", language_program.__file__], cwd=request.pwd, stdin=subprocess.PIPE
            )
        self._program.communicate(request.SerializeToString())
        return outcome(self._program.returncode)

    def _run_plugin(self, request: language_pb2.RunPluginRequest) -> Iterator[Message]:
        """What the plugin prints as it prints it, and its exit code at the end."""
        command = [interpreter(request.info), "-u", request.info.program_directory, *request.args]
        environment = dict(entry.split("=", 1) for entry in request.env) or None
        with subprocess.Popen(
            command,
            cwd=request.pwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            with self._lock:
                self._plugins.add(process)
            try:
                yield from _printed(process)
            finally:
                process.terminate()
                with self._lock:
                    self._plugins.discard(process)
        yield language_pb2.RunPluginResponse(exitcode=process.returncode)

    def _about(self, request: language_pb2.AboutRequest) -> Message:
        python = interpreter(request.info)
        version = _output([python, "-I", "-c", "import platform; print(platform.python_version())"]).strip()
        return language_pb2.AboutResponse(executable=python, version=version)

    def _dependencies(self, request: language_pb2.GetProgramDependenciesRequest) -> Message:
        listed = json.loads(_output([interpreter(request.info), "-I", "-c", _LIST_PACKAGES]))
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[language_pb2.DependencyInfo(name=name, version=version) for name, version in listed]
        )

    def _install(self, request: language_pb2.InstallDependenciesRequest) -> Iterator[Message]:
        for command in install_commands(request.info, request.directory):
            yield language_pb2.InstallDependenciesResponse(stdout=f"{' '.join(command)}\n".encode())
            with subprocess.Popen(
                command, cwd=request.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as process:
                for line in process.stdout or ():
                    yield language_pb2.InstallDependenciesResponse(stdout=line)
            if process.returncode != 0:
                message = f"{' '.join(command)} exited with {process.returncode}; its output is above"
                raise RefusedError(message)

    def _cancel(self, _: empty_pb2.Empty) -> Message:
        self.stop()
        return empty_pb2.Empty()


def interpreter(info: language_pb2.ProgramInfo) -> str:
    """The Python that runs the program.

    Raises:
        RefusedError: there is none where Pulumi.yaml says, or none on PATH.
    """
    options = info.options.fields
    toolchain = options["toolchain"].string_value if "toolchain" in options else "pip"
    if toolchain != "pip":
        message = (
            f"runtime.options.toolchain in Pulumi.yaml is {toolchain!r}: the stand-in for {PLUGIN} knows only 'pip'"
        )
        raise RefusedError(message)
    if "virtualenv" in options:
        python = Path(info.root_directory, options["virtualenv"].string_value, "bin", "python")
        if not python.exists():
            message = (
                f"runtime.options.virtualenv in Pulumi.yaml is {options['virtualenv'].string_value!r}, "
                f"but there is no {python}: run `pulumi install`, or name the right folder"
            )
            raise RefusedError(message)
        return str(python)
    found = os.environ.get("PULUMI_PYTHON_CMD") or shutil.which("python3") or shutil.which("python")
    if found is None:
        message = "no python3 on PATH to run the program: install one, or set runtime.options.virtualenv in Pulumi.yaml"
        raise RefusedError(message)
    return found


def install_commands(info: language_pb2.ProgramInfo, directory: str) -> list[list[str]]:
    """What makes the program's environment as `pulumi install` should (pure, but for a look at what is there)."""
    commands: list[list[str]] = []
    options = info.options.fields
    if "virtualenv" in options:
        folder = Path(info.root_directory, options["virtualenv"].string_value)
        if not (folder / "bin" / "python").exists():
            commands.append([sys.executable, "-m", "venv", str(folder)])
        python = str(folder / "bin" / "python")
    else:
        python = interpreter(info)
    for candidate in (Path(directory), Path(info.root_directory)):
        if (candidate / "requirements.txt").exists():
            commands.append([python, "-m", "pip", "install", "-r", str(candidate / "requirements.txt")])
            break
    return commands


def outcome(exit_code: int) -> language_pb2.RunResponse:
    """What the program's exit code tells the engine (pure)."""
    if exit_code == 0:
        return language_pb2.RunResponse()
    if exit_code == language_program.EXIT_FAILURE_SHOWN:
        return language_pb2.RunResponse(bail=True)
    if exit_code < 0:
        return language_pb2.RunResponse(error=f"the program was killed by {signal.Signals(-exit_code).name}")
    return language_pb2.RunResponse(error=f"the program exited with code {exit_code}")


def _printed(process: subprocess.Popen[bytes]) -> Iterator[language_pb2.RunPluginResponse]:
    """Both streams of a process in one, as its lines come, until it has closed both."""
    lines: queue.Queue[language_pb2.RunPluginResponse | None] = queue.Queue()

    def read(stream: IO[bytes] | None, answer: Callable[[bytes], language_pb2.RunPluginResponse]) -> None:
        for line in stream or ():
            lines.put(answer(line))
        lines.put(None)

    streams = (
        (process.stdout, lambda line: language_pb2.RunPluginResponse(stdout=line)),
        (process.stderr, lambda line: language_pb2.RunPluginResponse(stderr=line)),
    )
    for stream in streams:
        threading.Thread(target=read, args=stream, daemon=True).start()
    for _ in streams:
        yield from iter(lines.get, None)


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        message = f"{command[0]} does not run: {error}"
        raise RefusedError(message) from error


def main() -> None:
    """Serves the engine whose address is on the command line."""
    host = LanguageHost(engine_address(sys.argv[1:]))
    serve("pulumirpc.LanguageRuntime", host.methods(), on_stop=host.stop)


if __name__ == "__main__":
    main()
