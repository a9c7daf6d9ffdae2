"""Every environment has a plan that anyone can see, without an account."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import copy_checkout
from toolchain.paths import REPOSITORY

pytestmark = pytest.mark.engine

ENVIRONMENTS = sorted({path.name.split(".")[1] for path in REPOSITORY.glob("Pulumi.*.yaml")} - {"local"})


def _preview(name: str, state: Path, checkout: Path = REPOSITORY) -> tuple[int, str]:
    """`make preview ENV=name` with nothing of a cloud in its environment: the exit status, and all that it prints."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_"))}
    done = subprocess.run(
        ["make", "--no-print-directory", "preview", f"ENV={name}"],
        cwd=checkout,
        env={**ours, "REALTIME_ML_STATE": str(state), "AWS_EC2_METADATA_DISABLED": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_whole_plan_is_shown_without_an_account(name: str, tmp_path: Path) -> None:
    """Real CLI, the program as it is: a cluster, its node pools and the workloads, all to be created."""
    files = {path: path.read_bytes() for path in REPOSITORY.glob("Pulumi*.yaml")}
    code, said = _preview(name, tmp_path)
    assert code == 0, said
    created = re.search(r"\+ (\d+) to create", said)
    assert created, said
    assert int(created.group(1)) > 80
    for wanted in ("aws:eks:Cluster", "kubernetes:karpenter.sh/v1:NodePool", "kubernetes:apps/v1:Deployment"):
        assert wanted in said
    assert files == {path: path.read_bytes() for path in REPOSITORY.glob("Pulumi*.yaml")}


def test_adding_an_environment_is_one_file(tmp_path: Path) -> None:
    """In a copy of the checkout, another stack's file is all that its plan needs."""
    checkout = copy_checkout(tmp_path / "checkout")
    text = (checkout / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    (checkout / "Pulumi.qa.yaml").write_text(re.sub(r"(?m)^(    name: ).*$", r"\1trial-qa", text), encoding="utf-8")
    code, said = _preview("qa", tmp_path / "state", checkout)
    assert code == 0, said
    assert re.search(r"\+ \d+ to create", said), said
    assert re.search(r'cluster_name +: "trial-qa"', said)


def test_an_environment_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    """The way out is in the error."""
    code, said = _preview("prd", tmp_path)
    assert code != 0
    assert "there is no Pulumi.prd.yaml" in said
    assert all(name in said for name in ENVIRONMENTS)
