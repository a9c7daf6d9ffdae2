"""The commands, thin: each calls the module that does the work and prints what it answers."""

import errno
import json
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from toolchain import environments, install, retraining, stack
from toolchain.ci.commands import app as ci
from toolchain.cluster import node
from toolchain.cluster.settings import ClusterSettings
from toolchain.errors import ToolchainError
from toolchain.fork.rename import edits, identity
from toolchain.new_model.new_model import new_model as make_model
from toolchain.paths import REPOSITORY, cache_dir
from toolchain.progress import console
from toolchain.tools import TOOLS

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
cluster = typer.Typer(no_args_is_help=True, help="The embedded cluster.")
app.add_typer(cluster, name="cluster")
app.add_typer(ci, name="ci")

LOCAL = "local"
Env = Annotated[str, typer.Option(help="the environment, named as its file Pulumi.<env>.yaml")]


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
def up(env: Env = LOCAL) -> None:
    """Bring a stack up; `local` on the embedded cluster or that of `KUBE_CONTEXT`, and ask it for a prediction."""
    if env == LOCAL:
        stack.up(stack.target(start=True))
    else:
        environments.up(env)


@app.command()
def preview(env: Env = LOCAL) -> None:
    """Show what `up` would change."""
    if env == LOCAL:
        stack.preview(stack.target(start=False))
    else:
        environments.preview(env)


@app.command()
def rehearse(env: Env) -> None:
    """Try an environment without an account: up, scale-out, failure, destroy, on a simulated account."""
    # Loaded here: it knows the environments' configuration, and no other command needs that.
    from toolchain.rehearsal.rehearse import rehearse as perform  # noqa: PLC0415

    perform(env)


@app.command()
def outputs() -> None:
    """Print the stack's outputs as one JSON object."""
    sys.stdout.write(json.dumps(stack.outputs(stack.target(start=False)), indent=2) + "\n")


@app.command()
def retrain(model: Annotated[str, typer.Option(help="whose run")]) -> None:
    """Start a retraining on the local stack, and show how it ends; fails where it failed, not where it was refused."""
    if not retraining.retrain(stack.target(start=False), model):
        raise typer.Exit(1)


@app.command()
def demo() -> None:
    """Show the whole loop on the local stack: drift, alert, retraining, gate, swap, recovery."""
    # Loaded here: it knows the models' recipes and the plots, and no other command needs them.
    from toolchain.demo.demo import demo as perform  # noqa: PLC0415

    perform(stack.target(start=True))


@app.command("validate-model")
def validate_model(
    model: Annotated[str, typer.Option(help="whose recipe")],
    base: Annotated[str, typer.Option(help="the commit whose recipe it is to replace")] = "HEAD",
) -> None:
    """Judge a changed recipe on the shipped data, as a retraining would; fails where a gate refuses."""
    # Loaded here: it trains, and no other command needs LightGBM.
    from toolchain.model_validation import validate_model as perform  # noqa: PLC0415

    if not perform(model, base):
        raise typer.Exit(1)


@app.command("new-model")
def new_model(name: Annotated[str, typer.Option(help="of the model, as in its URL")]) -> None:
    """Make a model from a template and add it to the local stack; it trains and serves as it is."""
    for file in make_model(REPOSITORY, name):
        console.print(f"wrote {file.relative_to(REPOSITORY)}", markup=False)
    console.print(
        f"next: `make validate-model MODEL={name}` trains and judges it here, `make up` serves it, "
        "`make snapshots` shows how the local stack changes; docs/how-to/own_model.md says how to make it yours",
        markup=False,
    )


@app.command()
def destroy(env: Env = LOCAL) -> None:
    """Take a stack away; of one on AWS, list what is left."""
    if env == LOCAL:
        stack.destroy(stack.target(start=False))
    else:
        environments.destroy(env)


@app.command()
def audit() -> None:
    """Ask what is known against the packages of every lock file."""
    # Loaded here, as below: a library that no other command needs.
    from toolchain.audit import audit as ask  # noqa: PLC0415

    ask()


@app.command()
def sbom(
    image: Annotated[
        list[str] | None, typer.Option(help="<service>=<reference>, for Docker to read; repeatable")
    ] = None,
) -> None:
    """Write what is in each service's image, in CycloneDX."""
    from toolchain.sbom import write  # noqa: PLC0415

    images = dict(part.split("=", 1) for part in image or ())
    for file in write(images):
        console.print(f"{file}", markup=False)


@app.command()
def clean() -> None:
    """Take away the stack and, unless it is another's, the cluster with its data."""
    stack.clean(stack.target(start=False))


@app.command("bootstrap-state")
def bootstrap_state(
    env: Env,
    dry_run: Annotated[bool, typer.Option(help="show what would be made, and make nothing")] = False,  # noqa: FBT002 - typer's way to a flag
) -> None:
    """Make a bucket for an environment's state and a key for its secrets, in its account."""
    # Loaded here: botocore takes a while.
    from toolchain.state import bootstrap  # noqa: PLC0415

    bootstrap(env, dry_run=dry_run)


@app.command("stack")
def make_stack(env: Env) -> None:
    """Make an environment's stack where `PULUMI_BACKEND_URL` says, unless it is there."""
    environments.make_stack(env)


@app.command("init-fork")
def init_fork(
    name: Annotated[str, typer.Option(help="what the fork and everything that it makes is called")],
    org: Annotated[str, typer.Option(help="the organisation on GitHub that owns it")],
    dry_run: Annotated[bool, typer.Option(help="list what would change, and change nothing")] = False,  # noqa: FBT002 - typer's way to a flag
) -> None:
    """Give a fork its own name."""
    for edit in list(edits(REPOSITORY, identity(REPOSITORY, name, org))):
        console.print(str(edit.file.relative_to(REPOSITORY)), style="bold")
        for line in edit.lines:
            console.print(f"  {line.strip()}", markup=False)
        if not dry_run:
            edit.file.write_text(edit.text, encoding="utf-8")


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
        _fail(error)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        way_out = "free some space (`make clean-cache` drops caches) and run it again: it goes on from there"
        _fail(ToolchainError(f"writing {error.filename or 'a file'}", "the disk is full", way_out))


def _fail(error: ToolchainError) -> NoReturn:
    console.print(str(error), style="red", markup=False)
    sys.exit(1)
