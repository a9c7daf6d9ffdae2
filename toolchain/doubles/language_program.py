"""Runs one Pulumi program, in the interpreter of the program's own virtual environment.

Started by `language_host` as a script, so it imports nothing of this repository: that interpreter need not have it.
It reads a `RunRequest` from the standard input (configuration may hold secrets, which belong neither on a command line
nor in the environment) and exits with

    0                       the program ran
    EXIT_FAILURE_SHOWN      it failed and the engine's log already says why
    anything else           it called `sys.exit` itself, or was killed
"""

import asyncio
import logging
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

EXIT_FAILURE_SHOWN = 32

# The SDK's executors block on calls to the engine: more threads than resources under way keep them from queueing.
_THREADS_PER_PARALLEL_OPERATION = 4


def main() -> int:
    """Runs the program that the standard input describes; gives the exit code."""
    # This script's own folder, which Python put first, would shadow packages of the program by its modules' names.
    del sys.path[0]

    import grpc  # noqa: PLC0415 - only now does the search path belong to the program
    import pulumi  # noqa: PLC0415 - as above
    from pulumi.runtime.proto import language_pb2  # noqa: PLC0415 - as above

    request = language_pb2.RunRequest.FromString(sys.stdin.buffer.read())
    program = Path(request.pwd, request.info.entry_point or ".").resolve()
    sys.path.insert(0, str(program if program.is_dir() else program.parent))
    sys.argv = [str(program), *request.args]
    pulumi.runtime.reset_options(
        project=request.project,
        stack=request.stack,
        root_directory=request.info.root_directory,
        parallel=request.parallel,
        engine_address=request.args[0] if request.args else "",
        monitor_address=request.monitor_address,
        preview=request.dryRun,
        organization=request.organization or "organization",
    )
    pulumi.runtime.set_all_config(dict(request.config), list(request.configSecretKeys))
    # Tasks that fail beside the one whose failure is shown would only repeat it.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        _run(program, threads=max(request.parallel, 1) * _THREADS_PER_PARALLEL_OPERATION)
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return EXIT_FAILURE_SHOWN
    except grpc.RpcError as error:
        # The engine goes first when an operation is cancelled or a resource failed, and has said so itself.
        if isinstance(error, grpc.Call) and error.code() != grpc.StatusCode.UNAVAILABLE:
            pulumi.log.error(f"the engine refused a call of the program: {error.details()}")
        return EXIT_FAILURE_SHOWN
    except KeyboardInterrupt:
        return EXIT_FAILURE_SHOWN
    except Exception as error:  # noqa: BLE001 - a program may fail in any way, and the person must see how
        pulumi.log.error(f"the program failed with an unhandled exception:\n{readable_trace(error, program)}")
        return EXIT_FAILURE_SHOWN
    return 0


def readable_trace(error: BaseException, program: Path) -> str:
    """The traceback from the program's first frame on, without those of the machinery that ran it.

    All frames stay where none is the program's own, as when its file does not parse.
    """
    trace = traceback.TracebackException.from_exception(error)
    folder = str(program if program.is_dir() else program.parent)
    first = next((index for index, frame in enumerate(trace.stack) if frame.filename.startswith(folder)), 0)
    trace.stack = traceback.StackSummary.from_list(trace.stack[first:])
    return "".join(trace.format()).rstrip()


def _run(program: Path, *, threads: int) -> None:
    from pulumi.runtime import run_in_stack  # noqa: PLC0415 - see `main`

    def execute() -> None:
        runpy.run_path(str(program), run_name="__main__")

    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=threads))
    try:
        loop.run_until_complete(run_in_stack(execute))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
