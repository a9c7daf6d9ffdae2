"""The environments on AWS from the outside: what an `up` would make, making it, taking it away."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from toolchain import plugins, pulumi_cli
from toolchain.deployment import Deployment
from toolchain.doubles.aws.account import ID_VARIABLE, VARIABLE, Account
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY, state_dir
from toolchain.progress import console

_CONFIRM_VARIABLE = "CONFIRM"
_DOCKER_SECONDS = 30


def preview(name: str) -> None:
    """Show the plan of an environment.

    Where a backend is chosen (`PULUMI_BACKEND_URL`), it is the difference to that stack; elsewhere the whole plan,
    from nothing, for which no account is needed.

    Raises:
        ToolchainError: there is no such environment, or Pulumi fails.
    """
    pulumi_cli.run(*previewing(name))


def previewing(name: str) -> tuple[list[str], dict[str, str]]:
    """The arguments and the variables of `pulumi preview`.

    Raises:
        ToolchainError: there is no such environment.
    """
    document = pulumi_cli.read_config(name)
    arguments = ["--cwd", str(REPOSITORY), "preview", "--stack", name]
    if os.environ.get("PULUMI_BACKEND_URL"):
        variables = own_backend(f"previewing {name}", name)
    else:
        console.print(f"no PULUMI_BACKEND_URL: the whole plan of {name}, against an empty state")
        folder = _folder(name)
        variables = pulumi_cli.environment(folder)
        pulumi_cli.init(folder, name, variables)
        arguments += ["--config-file", str(pulumi_cli.write_config(folder, name, document))]
    return arguments, variables


def up(name: str) -> None:
    """Bring an environment up, in the account of the credentials at hand.

    Raises:
        ToolchainError: something that it needs is missing, which is found out before anything is made; Pulumi fails.
    """
    step = f"bringing {name} up"
    document = pulumi_cli.read_config(name)
    variables = own_backend(step, name)
    wanted = str(document["config"]["realtime-ml:aws"]["account_id"])
    refuse_other_account(step, name, [wanted], caller_account())
    check_docker(step)
    _confirm(step, name)
    pulumi_cli.run(["--cwd", str(REPOSITORY), "up", "--yes", "--stack", name], variables)


def make_stack(name: str) -> None:
    """Make an environment's stack where its state is to be kept, unless it is there.

    `PULUMI_SECRETS_PROVIDER` says what encrypts its secrets; by default a passphrase.

    Raises:
        ToolchainError: it is not said where the state is kept, or Pulumi cannot reach it.
    """
    pulumi_cli.read_config(name)
    variables = own_backend(f"making the stack of {name}", name)
    provider = os.environ.get("PULUMI_SECRETS_PROVIDER") or "default"
    arguments = [
        "--cwd",
        str(REPOSITORY),
        "stack",
        "select",
        "--create",
        "--secrets-provider",
        provider,
        "--stack",
        name,
    ]
    pulumi_cli.run(arguments, variables)


def destroy(name: str) -> None:
    """Take an environment away, and list what is left of it.

    Raises:
        ToolchainError: nobody confirmed it, something is protected, the credentials are of another account, Pulumi
            fails.
    """
    step = f"destroying {name}"
    pulumi_cli.read_config(name)
    variables = own_backend(step, name)
    export: list[str | Path] = ["--cwd", REPOSITORY, "stack", "export", "--stack", name]
    deployment = Deployment.parse(pulumi_cli.run(export, variables, capture=True))
    if not deployment.resources:
        console.print(f"{name} holds nothing")
        return
    refuse_other_account(step, name, deployment.accounts, caller_account())
    protected = [each.name for each in deployment.resources if each.protected]
    if protected:
        raise ToolchainError(
            step,
            f"{len(protected)} resources are protected, {protected[0]} among them; nothing was touched",
            f"set aws.protect and aws.cluster.deletion_protection to false in Pulumi.{name}.yaml, run `up`, then again",
        )
    _confirm(step, name)
    # With its preview: what Pulumi would refuse half-way it refuses there, before anything is gone.
    pulumi_cli.run(["--cwd", str(REPOSITORY), "destroy", "--yes", "--stack", name], variables)
    left = sorted(f"{each.token} {each.identifier}" for each in deployment.resources if each.retained)
    console.print("left in the account, as configured:" if left else "nothing is left in the account")
    for line in left:
        console.print(f"  {line}", markup=False)


def caller_account() -> str:
    """The number of the account that the credentials at hand are of.

    Raises:
        ToolchainError: there are none, or AWS does not take them.
    """
    step = "asking AWS whose credentials these are"
    if "pulumi-resource-aws" in plugins.missing():
        account = Account.from_environment(os.environ)
        if account is None:
            raise ToolchainError(
                step,
                "Pulumi's AWS plugin is not installed here, and the stand-in has no simulated account",
                f"install it (`pulumi plugin install resource aws`); {VARIABLE} and {ID_VARIABLE} name a simulated one",
            )
        return account.look().account
    try:
        # STS answers in every region alike, and the credentials may name none.
        client: Any = botocore.session.get_session().create_client("sts", region_name="us-east-1")
        return str(client.get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        raise ToolchainError(
            step, str(error), "sign in (`aws sso login`, or AWS_PROFILE), then run it again"
        ) from error


def check_docker(step: str) -> None:
    """Find out whether images can be built, unless the stand-in builds them.

    Raises:
        ToolchainError: Docker is missing, or its daemon does not answer.
    """
    if "pulumi-resource-docker-build" in plugins.missing():
        return
    docker = shutil.which("docker")
    if docker is None:
        raise ToolchainError(
            step, "the services' images must be built, and there is no `docker` on PATH", "install Docker with buildx"
        )
    try:
        answer = subprocess.run(
            [docker, "info", "--format={{.ServerVersion}}"],
            capture_output=True,
            text=True,
            timeout=_DOCKER_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        said = "" if answer.returncode == 0 else answer.stderr.strip() or "it said nothing"
    except subprocess.TimeoutExpired:
        said = f"no answer in {_DOCKER_SECONDS} s"
    if said:
        raise ToolchainError(
            step,
            f"the services' images must be built, and Docker's daemon does not answer: {said}",
            "start it, or point DOCKER_HOST or `docker context use` at one that runs; nothing was made so far",
        )


def own_backend(step: str, name: str) -> dict[str, str]:
    """The variables of a run on the person's own state, and with it their own secrets provider."""
    chosen = os.environ.get("PULUMI_BACKEND_URL")
    if not chosen:
        raise ToolchainError(
            step, "no PULUMI_BACKEND_URL: it is not known where the state is kept", "set it, such as s3://<bucket>"
        )
    variables = {**pulumi_cli.environment(_folder(name)), "PULUMI_BACKEND_URL": chosen}
    if passphrase := os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = passphrase
    else:
        del variables["PULUMI_CONFIG_PASSPHRASE_FILE"]
    return variables


def refuse_other_account(step: str, name: str, accounts: list[str], caller: str) -> None:
    """Make sure that the credentials at hand are of an environment's own account.

    Raises:
        ToolchainError: they are not.
    """
    if accounts and caller not in accounts:
        raise ToolchainError(
            step,
            f"{name} is in account {', '.join(accounts)}, the credentials at hand are of {caller}; nothing was touched",
            "use those of its own account (AWS_PROFILE, `aws sso login`)",
        )


def _confirm(step: str, name: str) -> None:
    """Have a person type the stack's name; `CONFIRM` says it where nobody is there to."""
    given = os.environ.get(_CONFIRM_VARIABLE) or None
    if given is None and console.is_terminal:
        given = console.input(f"{step}: type its name to go on: ")
    if given != name:
        raise ToolchainError(
            step,
            f"not confirmed: {given!r} is not {name!r}; nothing was touched",
            f"run it with {_CONFIRM_VARIABLE}={name}",
        )


def _folder(name: str) -> Path:
    return state_dir() / "previews" / name
