"""The environment under rehearsal: its stack on a file backend, in a simulated account."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolchain import pulumi_cli
from toolchain.deployment import Deployment
from toolchain.doubles import launchers
from toolchain.doubles.aws import planting
from toolchain.doubles.aws import provider as aws
from toolchain.doubles.aws.account import ID_VARIABLE, VARIABLE, Account
from toolchain.doubles.aws.failures import VARIABLE as FAILURE_VARIABLE
from toolchain.doubles.docker_build.provider import RECORD_VARIABLE
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY
from toolchain.rehearsal.operation import Operation, perform

PROJECT = "realtime-ml"
AWS_SECTION = f"{PROJECT}:aws"


def with_changes(values: Any, changes: Any) -> Any:  # noqa: ANN401 - JSON values
    """A configuration with changes on top: objects are merged, everything else is replaced (pure)."""
    if isinstance(values, Mapping) and isinstance(changes, Mapping):
        return {**values, **{key: with_changes(values.get(key), value) for key, value in changes.items()}}
    return changes


class Environment:
    """One stack, driven through the real CLI as a person would."""

    def __init__(self, name: str, folder: Path) -> None:
        """Read the environment's file.

        Args:
            name: as in `Pulumi.<name>.yaml`.
            folder: for its state, its configuration and the simulated account.

        Raises:
            ToolchainError: there is no such environment, or it is not on AWS.
        """
        self.name = name
        self.folder = folder
        self._source = pulumi_cli.read_config(name)
        if self.config.get(f"{PROJECT}:platform") != "aws":
            raise ToolchainError(
                f"rehearsing {name}",
                f"Pulumi.{name}.yaml is not on AWS: platform is {self.config.get(f'{PROJECT}:platform')!r}",
                "rehearse dev, staging or prod; `make up` brings up the local stack itself",
            )
        self._variables: dict[str, str] = {}
        self._config_file = pulumi_cli.write_config(folder, name, self._source)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as its file has it."""
        return dict(self._source["config"])

    @property
    def aws(self) -> dict[str, Any]:
        """The section of the AWS platform."""
        return dict(self.config[AWS_SECTION])

    @property
    def account(self) -> Account:
        """The simulated account, of the environment's own number."""
        return Account(self.folder / "account.json", str(self.aws["account_id"]))

    @property
    def log(self) -> Path:
        """What Pulumi reported."""
        return self.folder / "pulumi.log"

    def connect(self, kubeconfig: Path, path: Path) -> None:
        """Make the stack, with a cluster that answers for EKS and an account that holds what the configuration names.

        Args:
            kubeconfig: of that cluster.
            path: the folder with the stand-in for the AWS CLI.
        """
        stand_ins = self.folder / "stand-ins"
        # Also where the official plugins are installed: nothing of a rehearsal may reach an account.
        launchers.install(stand_ins, Path(sys.executable), launchers.MODULES)
        variables = pulumi_cli.environment(self.folder)
        self._variables = {
            **{key: value for key, value in variables.items() if not key.startswith("AWS_")},
            "PATH": os.pathsep.join([str(stand_ins), str(path), variables["PATH"]]),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            VARIABLE: str(self.account.path),
            ID_VARIABLE: self.account.number,
            aws.API_SERVER_VARIABLE: str(kubeconfig),
            RECORD_VARIABLE: "true",
        }
        pulumi_cli.init(self.folder, self.name, self._variables)
        cluster = self.aws["cluster"]
        with self.account.change() as holdings:
            for arn in (*cluster["admin_principals"], *filter(None, [cluster.get("kms_key_arn")])):
                planting.plant_arn(holdings, arn)

    def up(self, changes: Mapping[str, Any] | None = None, *, refresh: bool = False, failure: str = "") -> Operation:
        """Bring the stack to its configuration.

        Args:
            changes: on top of the configuration, by full key.
            refresh: whether it looks first at what has become of everything.
            failure: what is to fail, as `AWS_DOUBLE_FAIL` takes it.
        """
        document = {**self._source, "config": with_changes(self.config, changes or {})}
        self._config_file = pulumi_cli.write_config(self.folder, self.name, document)
        return self._perform("up", "--yes", "--skip-preview", *(["--refresh"] if refresh else []), failure=failure)

    def destroy(self) -> Operation:
        """Take the stack away; never without the preview, which is where Pulumi refuses what is protected.

        Without it, everything that depends on what is protected is deleted first: the workloads, and who is let in.
        """
        return self._perform("destroy", "--yes")

    def deployment(self) -> Deployment:
        """What the state says that there is."""
        arguments: list[str | Path] = ["--cwd", REPOSITORY, "stack", "export", "--stack", self.name]
        return Deployment.parse(pulumi_cli.run(arguments, self._variables, capture=True))

    def _perform(self, *arguments: str, failure: str = "") -> Operation:
        command: list[str | Path] = ["--cwd", REPOSITORY, *arguments, "--stack", self.name]
        variables = {**self._variables, **({FAILURE_VARIABLE: failure} if failure else {})}
        return perform([*command, "--config-file", self._config_file], variables, self.log)


def fresh_folder(name: str) -> Path:
    """An empty folder for the rehearsal of an environment; the last one's is dropped."""
    folder = REPOSITORY / "build" / "rehearsal" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
