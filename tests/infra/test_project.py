"""The files that Pulumi reads before the program runs."""

import json
from pathlib import Path

import pytest
import yaml

from infra.config import StackConfig, parse
from infra.naming import PROJECT
from tests.infra.harness import ROOT, SECRET, SECRET_KEY

STACKS = sorted(ROOT.glob("Pulumi.*.yaml"))


def test_the_project_runs_infra_with_the_environment_beside_it() -> None:
    """The project runs infra with the environment beside it."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert project["name"] == PROJECT
    assert (ROOT / project["main"] / "__main__.py").is_file()
    assert project["runtime"]["options"]["virtualenv"] == ".venv"


def test_no_environment_has_default_providers() -> None:
    """A resource that names no provider is an error in every environment."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert project["config"]["pulumi:disable-default-providers"]["value"] == ["*"]


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.name)
def test_an_environments_file_is_a_configuration_and_repeats_no_default(file: Path) -> None:
    """Defaults have one place, infra/config.py; the files say what differs."""
    values = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in yaml.safe_load(file.read_text(encoding="utf-8"))["config"].items()
        if key.startswith(f"{PROJECT}:")
    }
    parse({SECRET_KEY: SECRET} | values, [SECRET_KEY])
    for key, text in values.items():
        field = StackConfig.model_fields[key.removeprefix(f"{PROJECT}:")]
        if not field.is_required():
            default = json.loads(field.get_default().model_dump_json())
            given = json.loads(text)
            assert not [name for name, value in given.items() if default.get(name) == value], key


def test_there_is_an_environment_to_check() -> None:
    """The test above is not run over nothing."""
    assert [file.name for file in STACKS if file.name == "Pulumi.local.yaml"]
