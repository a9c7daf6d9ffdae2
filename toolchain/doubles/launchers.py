"""Puts the stand-ins on PATH, under the names that the Pulumi CLI looks for."""

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

MODULES: Mapping[str, str] = MappingProxyType(
    {
        "pulumi-language-python": "toolchain.doubles.language_host",
        "pulumi-resource-aws": "toolchain.doubles.aws.plugin",
        "pulumi-resource-docker-build": "toolchain.doubles.docker_build.plugin",
        "pulumi-resource-kubernetes": "toolchain.doubles.kubernetes.plugin",
    }
)
"""Each plugin that has a stand-in, and the module whose `main` runs it."""

_ROOT = Path(__file__).resolve().parents[2]
_EXECUTABLE = 0o755


def install(bin_dir: Path, python: Path, names: Iterable[str]) -> None:
    """Writes an executable for each named plugin into `bin_dir`, replacing one that differs.

    Args:
        bin_dir: the folder that goes on PATH, made if it is missing.
        python: the interpreter that runs the stand-ins; it has the project's requirements.
        names: which of `MODULES`.

    Raises:
        ValueError: a name that has no stand-in.
    """
    bin_dir.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name not in MODULES:
            message = f"there is no stand-in for {name!r}; there is one for each of {', '.join(MODULES)}"
            raise ValueError(message)
        script = _script(python, MODULES[name])
        target = bin_dir / name
        if target.exists() and target.read_text() == script:
            continue
        # Renamed into place: a CLI that runs at this moment finds the old one or the new one, never half of one.
        partial = bin_dir / f".{name}.{os.getpid()}"
        partial.write_text(script)
        partial.chmod(_EXECUTABLE)
        partial.rename(target)


def _script(python: Path, module: str) -> str:
    # Not by PYTHONPATH: a program that the language host runs must not inherit it. -P keeps the folder that the CLI
    # runs in, the person's project, off the search path.
    program = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from {module} import main; main()"
    return f'#!/bin/sh\nexec {shlex.quote(str(python))} -P -c {shlex.quote(program)} "$@"\n'
