"""The commands, thin: each calls the module that does the work and prints what it answers."""

import errno
import json
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from toolchain import environments, install, stack
from toolchain.cluster import node
from toolchain.cluster.settings import ClusterSettings
from toolchain.errors import ToolchainError
from toolchain.paths import cache_dir
from toolchain.progress import console
from toolchain.tools import TOOLS

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
cluster = typer.Typer(no_args_is_help=True, help="The embedded cluster.")
app.add_typer(cluster, name="cluster")


@app.command()
def doctor() -> None:
    """Show each tool, the version wanted, and where it was found or how it will be had."""
    table = Table(title="Tools", caption=f"cache: {cache_dir()}")
    for column in ("tool", "version", "where", "remark"):
        table.add_column(column, overflow="fold")
    for tool in TOOLS.values():
        finding = install.find(tool)
        where = str(finding.path) if finding.origin is install.Origin.PATH else finding.origin.value
        table.add_row(tool.name, finding.version, where, finding.remark)
    Console().print(table)


@app.command()
def tools() -> None:
    """Get every tool that this machine lacks."""
    install.install()


@app.command()
def up() -> None:
    """Bring up the `local` stack on the embedded cluster, or on that of `KUBE_CONTEXT`, and ask it for a prediction."""
    stack.up(stack.target(start=True))


@app.command()
def preview(env: Annotated[str, typer.Option(help="the environment, named as its file Pulumi.<env>.yaml")]) -> None:
    """Show what `up` would change."""
    if env == "local":
        stack.preview(stack.target(start=False))
    else:
        environments.preview(env)


@app.command()
def outputs() -> None:
    """Print the stack's outputs as one JSON object."""
    sys.stdout.write(json.dumps(stack.outputs(stack.target(start=False)), indent=2) + "\n")


@app.command()
def destroy() -> None:
    """Take the `local` stack out of its cluster."""
    stack.destroy(stack.target(start=False))


@app.command()
def clean() -> None:
    """Take away the stack and, unless it is another's, the cluster with its data."""
    stack.clean(stack.target(start=False))


@cluster.command("up")
def cluster_up() -> None:
    """Start the embedded cluster."""
    node.up(ClusterSettings.from_environment())


@cluster.command("down")
def cluster_down() -> None:
    """Stop the embedded cluster; its data stays."""
    node.down(ClusterSettings.from_environment())


@cluster.command("clean")
def cluster_clean() -> None:
    """Stop the embedded cluster and remove its data."""
    node.clean(ClusterSettings.from_environment())


@cluster.command("status")
def cluster_status() -> None:
    """Show what runs, how much memory it takes, and where it is reached."""
    node.describe(ClusterSettings.from_environment())


def main() -> None:
    """Run the command line."""
    run(app)


def run(command: Callable[[], object]) -> None:
    """Run a command; an error that a person can act upon is printed without a trace, and ends it with 1."""
    try:
        command()
    except ToolchainError as error:
        console.print(str(error), style="red", markup=False)
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        console.print(
            str(
                ToolchainError(
                    f"writing {error.filename or 'a file'}",
                    "the disk is full",
                    "free some space (`make clean-cache` drops caches) and run it again: it goes on from there",
                )
            ),
            style="red",
            markup=False,
        )
        sys.exit(1)
