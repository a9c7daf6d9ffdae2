"""A throw-away environment: another's file with a name and a network of its own, and nothing that would outlive it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from toolchain import project, pulumi_cli
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY

NAME: Final = "trial"
_CIDR: Final = "10.250.0.0/16"
_SECTION: Final = "realtime-ml:aws"


def write_trial(source: str) -> Path:
    """Write `Pulumi.trial.yaml` after an environment's file; gives its path.

    Raises:
        ToolchainError: there is no such environment, or it is not on AWS.
    """
    document = pulumi_cli.read_config(source)
    if _SECTION not in document["config"]:
        raise ToolchainError(f"trying {source}", f"Pulumi.{source}.yaml has no {_SECTION}", "choose one on AWS")
    file = REPOSITORY / f"Pulumi.{NAME}.yaml"
    file.write_text(yaml.safe_dump(trial(document, project.NAME), sort_keys=False), encoding="utf-8")
    return file


def trial(document: Mapping[str, Any], project_name: str) -> dict[str, Any]:
    """The configuration of the throw-away environment (pure).

    What a `destroy` would leave or refuse is off; images are built here, because they must not depend on a release.
    """
    section = dict(document["config"][_SECTION])
    section.pop("images_from", None)
    aws = {
        **section,
        "name": f"{project_name}-{NAME}",
        "protect": False,
        "network": {**section["network"], "cidr": _CIDR},
        "cluster": {**section["cluster"], "deletion_protection": False},
        "object_store": {**section.get("object_store", {}), "retain_on_destroy": False},
    }
    return {"config": {**document["config"], _SECTION: aws}}
