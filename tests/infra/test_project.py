"""The files that Pulumi reads before the program runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.config.reading import parse
from infra.config.stack import StackConfig
from infra.naming import PROJECT, is_dns_label
from tests.infra.harness import ROOT, SECRET, SECRET_KEY

STACKS = sorted(ROOT.glob("Pulumi.*.yaml"))


def test_the_project_runs_infra_with_the_environment_beside_it() -> None:
    """The project runs infra with the environment beside it."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert is_dns_label(project["name"]), "a fork has a name of its own, of which the embedded cluster is called"
    assert (ROOT / project["main"] / "__main__.py").is_file()
    assert project["runtime"]["options"]["virtualenv"] == ".venv"


def test_no_environment_has_default_providers() -> None:
    """A resource that names no provider is an error in every environment."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert project["config"]["pulumi:disable-default-providers"]["value"] == ["*"]


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.name)
def test_an_environments_file_is_a_configuration_and_repeats_no_default(file: Path) -> None:
    """Defaults have one place, infra/config/; the files say what differs."""
    values = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in yaml.safe_load(file.read_text(encoding="utf-8"))["config"].items()
        if key.startswith(f"{PROJECT}:")
    }
    secret = {SECRET_KEY: SECRET} if values[f"{PROJECT}:platform"] == "local" else {}
    config = parse(secret | values, [SECRET_KEY])
    for key in values:
        name = key.removeprefix(f"{PROJECT}:")
        assert not list(repeated_defaults(getattr(config, name), StackConfig.model_fields[name])), key


def repeated_defaults(given: object, field: FieldInfo) -> Iterator[str]:
    """What a file says although it would be so anyway."""
    default = None if field.is_required() else field.get_default()
    if not isinstance(given, BaseModel):
        if not field.is_required() and given == default:
            yield str(given)
        return
    for name in given.model_fields_set:
        inner = type(given).model_fields[name]
        if default is not None:
            inner = FieldInfo(annotation=inner.annotation, default=getattr(default, name))
        yield from (f"{name}.{path}" for path in repeated_defaults(getattr(given, name), inner))


def test_a_default_that_is_repeated_is_found() -> None:
    """The test above would pass as well if it found nothing."""
    config = StackConfig.model_validate(
        {"platform": "local", "models": ({"name": "a"},), "scoring": {"min_replicas": 2}}, strict=False
    )
    assert list(repeated_defaults(config.scoring, StackConfig.model_fields["scoring"])) == ["min_replicas.2"]


def test_there_is_an_environment_to_check() -> None:
    """The test above is not run over nothing."""
    assert {file.name for file in STACKS} >= {f"Pulumi.{name}.yaml" for name in ("local", "dev", "staging", "prod")}
