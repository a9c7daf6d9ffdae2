"""The commands that workflows call; each runs on any machine, and does less without credentials."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from toolchain import project, pulumi_cli
from toolchain.ci import drift, plugins, recipes, registries, trial
from toolchain.ci.comment import LIMIT_CHARACTERS, joined, marker, render
from toolchain.ci.github import Repository
from toolchain.ci.plan import read_plan
from toolchain.ci.preview import preview
from toolchain.ci.prices import read_prices
from toolchain.ci.release import release, scoring_urls
from toolchain.ci.smoke import smoke
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY
from toolchain.progress import console

app = typer.Typer(no_args_is_help=True, help="What continuous integration runs.")

Env = Annotated[str, typer.Option(help="the environment, named as its file Pulumi.<env>.yaml")]


@app.command("comment")
def comment_(
    plan: Annotated[Path, typer.Argument(help="what `pulumi preview --json` printed")],
    env: Env,
    without_state: Annotated[bool, typer.Option(help="the plan was made without access to the state")] = False,  # noqa: FBT002 - typer's way to a flag
) -> None:
    """Print a plan as the comment of a pull request."""
    found = read_plan(plan.read_text(encoding="utf-8"))
    sys.stdout.write(render(env, found, read_prices(), without_state=without_state))


@app.command("preview")
def preview_(env: Env, folder: Annotated[Path, typer.Option(help="where the comment goes, as <env>.md")]) -> None:
    """Preview an environment: its comment, and at the lines what the policy pack objects to."""
    found = preview(env, folder)
    (folder / f"{env}.md").write_text(found.comment, encoding="utf-8")
    for violation in found.violations:
        # GitHub's runner reads annotations from standard output.
        sys.stdout.write(f"{violation.annotation if os.environ.get('GITHUB_ACTIONS') else violation}\n")
    stopping = [violation for violation in found.violations if violation.stops]
    if stopping:
        raise ToolchainError(
            f"previewing {env}", f"{len(stopping)} violations of the policy pack", "see the annotated lines"
        )


@app.command("post")
def post(
    folder: Annotated[Path, typer.Argument(help="where `preview` left its comments")],
    pull_request: Annotated[int, typer.Option(help="the number of the pull request")],
) -> None:
    """Post the previews of all environments as one comment; it is rewritten at the next push."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.md"))]
    text = joined(texts, LIMIT_CHARACTERS)
    console.print(Repository.from_environment().comment(pull_request, marker("all"), text))


@app.command("recipes")
def recipes_(base: Annotated[str, typer.Option(help="the branch that is merged into")]) -> None:
    """Judge every recipe that this branch changes."""
    recipes.validate(base)


@app.command("environments")
def environments_() -> None:
    """Print the environments on AWS, as a JSON list that a workflow makes a matrix of."""
    names = sorted(file.name.split(".")[1] for file in REPOSITORY.glob("Pulumi.*.yaml"))
    on_aws = [name for name in names if pulumi_cli.read_config(name)["config"].get("realtime-ml:platform") == "aws"]
    sys.stdout.write(f"{json.dumps(on_aws)}\n")


@app.command("plugins")
def plugins_() -> None:
    """Install Pulumi's official plugins, so that no stand-in takes their place."""
    plugins.install()


@app.command("login")
def login(
    env: Env,
    source: Annotated[bool, typer.Option(help="to the registry that images are copied from")] = False,  # noqa: FBT002 - typer's way to a flag
) -> None:
    """Log Docker in to an environment's image registry."""
    registries.log_in(env, to_source=source)


@app.command("release")
def release_(env: Env) -> None:
    """Bring an environment up from this commit and ask it; where it does not answer, go back to the commit before."""
    release(env)


@app.command("sign")
def sign_(
    env: Env, key: Annotated[str, typer.Option(help="where cosign finds it, such as awskms:///alias/x; or keyless")]
) -> None:
    """Sign the images that an environment runs, and attach to each what is in it."""
    # Loaded here: a library that no other command needs.
    from toolchain.ci.signing import sign  # noqa: PLC0415

    sign(env, key)


@app.command("smoke")
def smoke_(env: Env) -> None:
    """Ask every model of an environment for predictions."""
    smoke(scoring_urls(env))


@app.command("drift")
def drift_(env: Env) -> None:
    """Tell what changed outside of Pulumi; in a workflow, in an issue that closes itself."""
    found = drift.look(env)
    repository = Repository.from_environment() if os.environ.get("GITHUB_TOKEN") else None
    if not found:
        console.print(f"{env} is as its stack made it")
        if repository is not None:
            repository.close_issue(drift.marker(env))
        return
    text = drift.report(env, found)
    console.print(text, markup=False)
    if repository is not None:
        console.print(repository.open_issue(drift.marker(env), drift.title(env), text))
    raise ToolchainError(f"looking at {env}", f"{len(found)} resources differ", "see the report above")


@app.command("trial")
def trial_(env: Env) -> None:
    """Write the file of a throw-away environment after that of another."""
    console.print(f"{trial.write_trial(env).name}: {project.NAME}-{trial.NAME}")
