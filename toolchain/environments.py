"""The environments on AWS from the outside: what an `up` would make."""

import os

import yaml

from toolchain import pulumi_cli
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY, state_dir
from toolchain.progress import console


def preview(name: str) -> None:
    """Show the plan of an environment.

    Where a backend is chosen (`PULUMI_BACKEND_URL`), it is the difference to that stack; elsewhere the whole plan,
    from nothing, for which no account is needed.

    Raises:
        ToolchainError: there is no such environment, or Pulumi fails.
    """
    source = REPOSITORY / f"Pulumi.{name}.yaml"
    if not source.exists():
        known = ", ".join(sorted(path.name.split(".")[1] for path in REPOSITORY.glob("Pulumi.*.yaml")))
        raise ToolchainError(f"previewing {name}", f"there is no {source.name}", f"choose one of: {known}")
    folder = state_dir() / "previews" / name
    variables = pulumi_cli.environment(folder)
    arguments = ["--cwd", str(REPOSITORY), "preview", "--stack", name]
    if chosen := os.environ.get("PULUMI_BACKEND_URL"):
        # The person's own state, and with it their own secrets provider.
        variables["PULUMI_BACKEND_URL"] = chosen
        if passphrase := os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
            variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = passphrase
        else:
            del variables["PULUMI_CONFIG_PASSPHRASE_FILE"]
    else:
        console.print(f"no PULUMI_BACKEND_URL: the whole plan of {name}, against an empty state")
        pulumi_cli.init(folder, name, variables)
        # A copy, because Pulumi writes the salt of the state's passphrase into it.
        copy = folder / source.name
        kept = yaml.safe_load(copy.read_text(encoding="utf-8")) or {} if copy.exists() else {}
        document = yaml.safe_load(source.read_text(encoding="utf-8"))
        if "encryptionsalt" in kept:
            document["encryptionsalt"] = kept["encryptionsalt"]
        copy.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        arguments += ["--config-file", str(copy)]
    pulumi_cli.run(arguments, variables)
