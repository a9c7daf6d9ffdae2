"""Every command line: the Makefile's targets, the toolchain's commands, the registry's."""

import re
from collections.abc import Iterator
from typing import Any

from lifecycle.__main__ import app as lifecycle
from typer.main import get_command

from toolchain.cli import app as toolchain
from toolchain.paths import REPOSITORY

Command = Any
"""A command or a parameter of Click's, which typer brings along under a name of its own."""

_TARGET = re.compile(r"^([a-z0-9-]+):.*## (.*)$", re.MULTILINE)


def targets() -> dict[str, str]:
    """The Makefile's targets, each with what it does."""
    return dict(_TARGET.findall((REPOSITORY / "Makefile").read_text(encoding="utf-8")))


def page() -> str:
    """The page in Markdown."""
    lines = ["# Command lines", "", "Written from the code by `make docs`.", "", "## make", ""]
    lines += ["| target | what it does |", "| --- | --- |"]
    lines += [f"| `{name}` | {_cell(meaning)} |" for name, meaning in targets().items()]
    for title, prefix, application in (
        ("Toolchain", ".venv/bin/python -m toolchain", toolchain),
        ("Registry", "python3 -m lifecycle", lifecycle),
    ):
        lines += ["", f"## {title}", "", "| command | what it does |", "| --- | --- |"]
        for command, meaning in _commands(get_command(application), prefix):
            lines.append(f"| `{command}` | {_cell(meaning)} |")
    return "\n".join([*lines, ""])


def _commands(command: Command, prefix: str) -> Iterator[tuple[str, str]]:
    """Every command with its arguments, and the first line of its help."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{prefix} {name}")
    if command.help and not hasattr(command, "commands"):
        words = [_usage(parameter) for parameter in command.params if parameter.name != "help"]
        yield " ".join([prefix, *words]), command.help.strip().splitlines()[0]


def _usage(parameter: Command) -> str:
    if parameter.param_type_name == "argument":
        text = str(parameter.name).upper()
    else:
        text = parameter.opts[0] if parameter.is_flag else f"{parameter.opts[0]} ..."
    return text if parameter.required else f"[{text}]"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
