"""Official plugins are those of the SDKs in use."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.infra.harness import ENVIRONMENTS
from toolchain.ci.commands import app
from toolchain.ci.plugins import commands
from toolchain.doubles import launchers


def test_every_plugin_that_has_a_stand_in_is_installed_in_the_sdks_version() -> None:
    """One that is left out would be stood in for where a release is meant; the language host comes with the CLI."""
    installed = {f"pulumi-resource-{command[4]}": command[5] for command in commands()}
    assert installed.keys() == {name for name in launchers.MODULES if name.startswith("pulumi-resource-")}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in installed.values())


@pytest.mark.parametrize("status", [0, 1])
def test_the_cli_is_asked_for_each_and_a_failure_stops_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A release must not go on with a stand-in."""
    log, cli = tmp_path / "log", tmp_path / "pulumi"
    cli.write_text(f'#!/bin/sh\necho "pulumi $@" >> {log}\nexit {status}\n')
    cli.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    done = CliRunner().invoke(app, ["plugins"])
    asked = [" ".join(command) for command in commands()]
    assert log.read_text().splitlines() == (asked if status == 0 else asked[:1])
    assert done.exit_code == status
    assert ("it needs the network" in str(done.exception)) == bool(status)


def test_a_workflow_makes_its_matrix_of_the_environments_that_have_a_file() -> None:
    """Adding an environment is one file, and its preview comes by itself."""
    assert json.loads(CliRunner().invoke(app, ["environments"]).stdout) == ENVIRONMENTS
