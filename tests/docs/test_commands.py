"""Every command that the documentation shows is run by a test, or it is said why it is not."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.harness import copy_checkout
from toolchain.paths import REPOSITORY, cache_dir

SHOWN_IN = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted(path for path in (REPOSITORY / "docs").rglob("*.md") if path.parent.name not in {"adr", "reference"}),
]


@dataclass(frozen=True)
class Elsewhere:
    """Commands that a test runs, perhaps with other words.

    Attributes:
        command: a pattern of the whole line.
        test: the file.
        runs: what stands in it.
    """

    command: str
    test: str
    runs: str


HERE = (
    "make init-fork NAME=pricing ORG=acme DRY_RUN=1",
    "make init-fork NAME=pricing ORG=acme",
    "make new-model NAME=my-model",
    "make snapshots",
    "make bootstrap-state ENV=dev DRY_RUN=1",
    ".venv/bin/python -m toolchain ci preview --env dev --folder build/previews",
)
"""Run below as they stand, in a copy of the checkout."""

OF_A_STATE = (
    "export PULUMI_BACKEND_URL=file://$HOME/states PULUMI_CONFIG_PASSPHRASE_FILE=$HOME/.passphrase",
    "make stack ENV=dev",
    "pulumi config set --stack dev --path realtime-ml:alert_receivers.slack.channel '#alerts'",
    "pulumi config set --secret --stack dev --path realtime-ml:alert_receivers.slack.webhook_url",
    "pulumi config set --secret --path 'realtime-ml:alert_receivers.webhook.url' https://fraud.example.org/alerts",
    "make preview ENV=dev",
    "pulumi stack export --stack dev --file dev.json",
    "pulumi stack import --stack dev --file dev.json",
    "pulumi stack rm dev --preserve-config",
)
"""Run below as they stand, in one shell: a state in a folder, from its making to its end."""

ELSEWHERE = (
    Elsewhere("make up", "tests/e2e/test_tutorial.py", '"make up"'),
    Elsewhere(r"make outputs", "tests/e2e/test_tutorial.py", '"make outputs"'),
    Elsewhere(r"make preview", "tests/e2e/test_tutorial.py", '"make preview"'),
    Elsewhere(r"make preview ENV=(?!dev)\w+", "tests/engine/test_environments.py", '"preview", f"ENV={name}"'),
    Elsewhere(r"make rehearse ENV=\w+", "tests/e2e/test_tutorial.py", '"make rehearse ENV=prod"'),
    Elsewhere(r"make destroy", "tests/e2e/test_tutorial.py", '"make destroy"'),
    Elsewhere(r"make destroy ENV=dev CONFIRM=dev", "tests/engine/test_destroy.py", 'environments.destroy("dev")'),
    Elsewhere(r"make clean", "tests/e2e/test_tutorial.py", '"make clean"'),
    Elsewhere(r"make up ENV=qa CONFIRM=qa", "tests/engine/test_ci.py", 'environments.up("dev")'),
    Elsewhere(r"make up KUBE_CONTEXT=kind-dev", "tests/e2e/test_local_stack.py", "KUBE_CONTEXT"),
    Elsewhere(r"curl .*/v1/predict .*", "tests/e2e/test_tutorial.py", "/v1/predict"),
    Elsewhere(r"curl .*/v1/rank .*", "tests/services/scoring/test_rank.py", "/v1/rank"),
    Elsewhere(r"curl .*/v1/labels .*", "tests/e2e/test_tutorial.py", "/v1/labels"),
    Elsewhere(r"curl .*/api/v1/query\?query=.*", "tests/e2e/test_tutorial.py", "/api/v1/query"),
    Elsewhere(r'(eval "\$\()?make bootstrap-state ENV=dev(\)")?', "tests/toolchain/test_state.py", 'bootstrap("dev"'),
    Elsewhere(r"make demo", "tests/e2e/test_tutorial.py", '"make demo"'),
    Elsewhere(r"make retrain MODEL=car-loan", "tests/e2e/test_local_stack.py", 'make("retrain", MODEL="car-loan")'),
    Elsewhere(r"make validate-model MODEL=.*", "tests/services/retraining/test_validation.py", "validate("),
    Elsewhere(
        r"python3 -m lifecycle (history|rollback .*|verify|(begin|abort)-rollout .*|rollouts)",
        "tests/services/lifecycle/test_command.py",
        "rollback",
    ),
    Elsewhere(r"make merge-upstream UPSTREAM=\S+", "tests/toolchain/fork/test_rename.py", '"merge-upstream"'),
    Elsewhere(r".*toolchain ci login --env \w+", "tests/engine/test_ci.py", '"login"'),
    Elsewhere(r".*toolchain ci smoke --env \w+", "tests/toolchain/ci/test_smoke.py", "smoke("),
    Elsewhere(r".*toolchain ci drift --env \w+", "tests/engine/test_ci.py", 'drift.look("dev")'),
    Elsewhere(r"make audit", "tests/toolchain/test_audit.py", "audit.audit()"),
    Elsewhere(r"make sbom", "tests/toolchain/test_sbom.py", "write(folder=tmp_path)"),
    Elsewhere(r"make snapshots docs", "tests/docs/test_commands.py", "make snapshots"),
)

NOT_RUN = {
    r"pulumi config set --secret --stack dev --path realtime-ml:oidc\.client_secret": "as a receiver's, run below",
    r"make test": "it is what runs this",
    r"make up KUBE_CONTEXT=kind-dev REGISTRY=\S+": "needs a registry of one's own; without it the same is run",
    r"export PULUMI_BACKEND_URL=https://api.pulumi.com .*": "needs an account of Pulumi Cloud",
    r"openssl rand -hex 32": "OpenSSL's own",
    r"printf %s .* \| sha256sum": "Coreutils' own; tests/infra/test_api_keys.py hashes the same way",
    r"git (remote|fetch) .*": "Git's own, of a repository on the network; the merge that follows is run",
}


def commands() -> Iterator[tuple[str, str]]:
    """Every line of every block of commands, with the page."""
    for page in SHOWN_IN:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        # The README and what is meant for a terminal indent them.
        blocks += ["\n".join(re.findall(r"^    ((?:make|pulumi|git|\.venv/).*)$", text, re.MULTILINE))]
        for line in "\n".join(blocks).splitlines():
            if command := line.partition("  #")[0].strip():
                yield str(page.relative_to(REPOSITORY)), command


SHOWN = sorted(set(commands()))


@pytest.mark.parametrize(("page", "command"), SHOWN)
def test_a_command_that_is_shown_is_run_by_a_test_or_said_not_to_be(page: str, command: str) -> None:
    """A new one fails here until it is."""
    assert (
        command in (*HERE, *OF_A_STATE)
        or any(re.fullmatch(entry.command, command) for entry in ELSEWHERE)
        or any(re.fullmatch(pattern, command) for pattern in NOT_RUN)
    ), f"{page}: {command}"


def test_the_tables_speak_of_nothing_that_is_not_shown() -> None:
    """A row that outlived its command would hide the next one."""
    shown = [command for _, command in SHOWN]
    assert len(shown) > 30
    for pattern in [
        *(re.escape(command) for command in (*HERE, *OF_A_STATE)),
        *(entry.command for entry in ELSEWHERE),
        *NOT_RUN,
    ]:
        assert any(re.fullmatch(pattern, command) for command in shown), pattern


@pytest.mark.parametrize("entry", ELSEWHERE, ids=lambda entry: entry.command)
def test_the_test_that_runs_it_is_there(entry: Elsewhere) -> None:
    """With the words that run it."""
    assert entry.runs in (REPOSITORY / entry.test).read_text(encoding="utf-8")


@pytest.mark.engine
def test_commands_run_as_they_stand(tmp_path: Path) -> None:
    """One after the other in a copy of the checkout, without a cloud's variables."""
    checkout = copy_checkout(tmp_path / "checkout")
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_"))}
    environment = {**ours, "REALTIME_ML_STATE": str(tmp_path / "state"), "PYTHONPATH": str(checkout)}
    for command in ("make policy", *HERE):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=checkout,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}"
    assert "name: pricing\n" in (checkout / "Pulumi.yaml").read_text(encoding="utf-8")
    assert (checkout / "build" / "previews" / "dev.md").is_file()


@pytest.mark.engine
def test_a_state_in_a_folder_is_made_used_and_removed_as_it_stands(tmp_path: Path) -> None:
    """The program reads the secrets that were set, which nothing shows; what the environment is made of stays."""
    checkout = copy_checkout(tmp_path / "checkout")
    (tmp_path / "states").mkdir()
    (tmp_path / ".passphrase").write_text("correct horse battery staple", encoding="utf-8")
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_"))}
    # A person answers what Pulumi asks: the secret, and whether they are sure.
    answers = {"PULUMI_SKIP_CONFIRMATIONS": "true", "AWS_EC2_METADATA_DISABLED": "true"}
    places = {"HOME": str(tmp_path), "REALTIME_ML_CACHE": str(cache_dir()), "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        ["bash", "-exc", "\n".join(OF_A_STATE)],
        cwd=checkout,
        env={**ours, **answers, **places},
        input="https://hooks.example.org/hush",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\+ \d+ to create", done.stdout), done.stdout[-3000:]
    assert "hush" not in done.stdout
    assert (checkout / "dev.json").is_file()
    assert not list((tmp_path / "states").rglob("dev.json"))
    kept = (checkout / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    assert kept.count("secure: v1:") == 2
    assert "hush" not in kept


def test_the_example_of_an_answer_has_the_fields_of_one() -> None:
    """The tutorial shows what comes."""
    text = (REPOSITORY / "docs" / "tutorial.md").read_text(encoding="utf-8")
    assert re.search(r'"predictions": \[\{"id": "[^"]+", "probability": [0-9.]+, "class": "repaid"\}\]', text)
