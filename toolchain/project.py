"""The project's name: a fork's own, from `Pulumi.yaml`."""

from typing import Final

import yaml

from toolchain.paths import REPOSITORY

NAME: Final[str] = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text(encoding="utf-8"))["name"]
"""Under it Pulumi keeps the stacks' state, and the embedded cluster is called so unless `CLUSTER` says otherwise."""
