"""The commands that workflows call, with the real Pulumi CLI: with a state and an account, and without either."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from tests.e2e.harness import copy_checkout
from toolchain import environments, plugins, pulumi_cli
from toolchain.ci import drift, release
from toolchain.ci.commands import app
from toolchain.ci.github import Repository
from toolchain.ci.smoke import REQUESTS
from toolchain.doubles import launchers
from toolchain.doubles.aws.account import ID_VARIABLE, VARIABLE, Account
from toolchain.paths import REPOSITORY

PROGRAM = """
import pulumi
from pulumi_aws import Provider, s3

provider = Provider("aws", region="eu-central-1", allowed_account_ids=["111122223333"])
opts = pulumi.ResourceOptions(provider=provider)
for name in ("models", "predictions"):
    s3.Bucket(name, bucket=f"trial-{name}", opts=opts)
pulumi.export("scoring_urls", {"car-loan": "http://127.0.0.1:1"})
"""


def ci(*arguments: str, checkout: Path = REPOSITORY, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command, with nothing of a cloud or of GitHub in its environment but what is given."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_", "GITHUB_"))}
    return subprocess.run(
        [sys.executable, "-m", "toolchain", "ci", *arguments],
        cwd=checkout,
        env={**ours, "AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": str(checkout), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module", autouse=True)
def environment_of_the_pack() -> None:
    """The policy pack has an environment of its own."""
    subprocess.run(["make", "policy"], cwd=REPOSITORY, check=True, capture_output=True)


def checkout_with_pack(target: Path) -> Path:
    """A second checkout in which `make policy` has been called."""
    checkout = copy_checkout(target)
    (checkout / "build").mkdir()
    (checkout / "build" / "policy").symlink_to(REPOSITORY / "build" / "policy")
    return checkout


def test_without_credentials_a_pull_request_gets_the_whole_plan_and_its_violations_at_the_line(tmp_path: Path) -> None:
    """What a fork's pull request can have: everything but the difference to what runs."""
    checkout = checkout_with_pack(tmp_path / "checkout")
    file = checkout / "infra" / "aws" / "registry.py"
    text = file.read_text(encoding="utf-8")
    assert '"scan_on_push": True' in text
    file.write_text(text.replace('"scan_on_push": True', '"scan_on_push": False'), encoding="utf-8")
    variables = {"REALTIME_ML_STATE": str(tmp_path / "state"), "GITHUB_ACTIONS": "true"}
    done = ci("preview", "--env", "dev", "--folder", str(tmp_path), checkout=checkout, **variables)
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("::error")]
    assert {line.partition("::scoring")[0] for line in lines if "::scoring" in line} == {
        f"::error file=infra/aws/registry.py,line={_line(file, 'ecr.Repository(')},title=images-are-scanned"
    }
    comment = (tmp_path / "dev.md").read_text(encoding="utf-8")
    assert "this is the whole plan, from nothing" in comment
    assert ":no_entry: `images-are-scanned`: **scoring**" in comment


def _line(file: Path, text: str) -> int:
    """The first line of a file that holds a text."""
    return next(i for i, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1) if text in line)


def test_a_program_that_fails_is_told_and_leaves_no_comment(tmp_path: Path) -> None:
    """An empty plan would read as one that changes nothing."""
    checkout = checkout_with_pack(tmp_path / "checkout")
    file = checkout / "Pulumi.dev.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("cpu_limit: 16", "cpu_limit: none"), encoding="utf-8")
    variables = {"REALTIME_ML_STATE": str(tmp_path / "state")}
    done = ci("preview", "--env", "dev", "--folder", str(tmp_path / "out"), checkout=checkout, **variables)
    assert done.returncode == 1
    assert "cpu_limit" in done.stderr
    assert not list((tmp_path / "out").glob("*.md"))


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A repository with an environment `dev` that is up, in a simulated account and a state of the person's own."""
    checkout = tmp_path / "checkout"
    (checkout / "infra").mkdir(parents=True)
    (checkout / "infra" / "__main__.py").write_text(PROGRAM, encoding="utf-8")
    runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
    (checkout / "Pulumi.yaml").write_text(json.dumps({"name": "trial", "main": "infra/", "runtime": runtime}))
    (checkout / "Pulumi.dev.yaml").write_text("config:\n  realtime-ml:aws:\n    account_id: '111122223333'\n")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery staple")
    (tmp_path / "backend").mkdir()
    for module in (environments, pulumi_cli, drift, release):
        monkeypatch.setattr(module, "REPOSITORY", checkout)
    monkeypatch.setattr(plugins, "missing", lambda: list(launchers.MODULES))
    number = "111122223333"
    for name, value in {
        "REALTIME_ML_STATE": tmp_path / "ours",
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": passphrase,
        "CONFIRM": "dev",
        VARIABLE: tmp_path / "account.json",
        ID_VARIABLE: number,
    }.items():
        monkeypatch.setenv(name, str(value))
    _commit(checkout, "first")
    variables = environments.own_backend("a test", "dev")
    pulumi_cli.run(["--cwd", checkout, "stack", "init", "dev"], variables, capture=True)
    environments.up("dev")
    return Account(tmp_path / "account.json", number)


def _commit(checkout: Path, message: str) -> str:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", message]):
        subprocess.run([*git, *command], cwd=checkout, check=True)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True
    ).stdout.strip()


class Issues:
    """As much of a repository on GitHub as drift tells.

    Attributes:
        text: of the open issue; None while there is none.
    """

    text: str | None = None

    def open_issue(self, _marker: str, _title: str, text: str) -> str:
        """Opens it, or writes it anew."""
        self.text = text
        return "https://github.example/issues/1"

    def close_issue(self, _marker: str) -> None:
        """Closes it, if it is open."""
        self.text = None


def test_what_somebody_took_away_by_hand_is_drift_and_an_issue_until_it_is_back(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing before, the bucket after; looking changes neither the state nor the account."""
    issues = Issues()
    monkeypatch.setenv("GITHUB_TOKEN", "token")
    monkeypatch.setattr(Repository, "from_environment", lambda: issues)
    assert CliRunner().invoke(app, ["drift", "--env", "dev"]).exit_code == 0
    with account.change() as holdings:
        taken = [record for record in holdings.records if record.identifier == "trial-predictions"]
        holdings.remove(taken)
    for _ in range(2):
        assert [(found.name, found.operation) for found in drift.look("dev")] == [("predictions", "delete")]
    assert CliRunner().invoke(app, ["drift", "--env", "dev"]).exit_code == 1
    assert "**Bucket `predictions`** is gone" in str(issues.text)
    with account.change() as holdings:
        holdings.records.extend(taken)
    assert CliRunner().invoke(app, ["drift", "--env", "dev"]).exit_code == 0
    assert issues.text is None


def test_with_a_state_the_comment_is_the_difference_to_it(account: Account, tmp_path: Path) -> None:
    """A bucket less in the program: its first lines say so, and what stays is no part of it."""
    program = account.path.with_name("checkout") / "infra" / "__main__.py"
    program.write_text(program.read_text().replace('("models", "predictions")', '("models",)'), encoding="utf-8")
    before = account.look().records
    done = CliRunner().invoke(app, ["preview", "--env", "dev", "--folder", str(tmp_path / "previews")])
    # The two buckets of this test are no model of a good one: the pack objects to what stays.
    assert done.exit_code == 1
    assert "buckets-" in done.output
    comment = (tmp_path / "previews" / "dev.md").read_text(encoding="utf-8")
    assert "### `dev`: 1 deleted" in comment
    assert ":rotating_light: **Bucket `predictions` is deleted**: takes its data along." in comment
    assert "from nothing" not in comment
    assert account.look().records == before


@contextmanager
def scoring(status: int) -> Iterator[tuple[int, list[str]]]:
    """A port on which every prediction is answered with this status, and what was asked there."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            rows = json.loads(self.rfile.read(int(self.headers["content-length"])))["rows"]
            asked.append(self.path)
            answer = {"model": {"name": "car-loan", "version": 1}, "predictions": [{} for _ in rows]}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_release_brings_the_environment_up_and_asks_each_model(account: Account) -> None:
    """By the addresses that the stack tells, as a smoke test alone does."""
    checkout = account.path.with_name("checkout")
    program = checkout / "infra" / "__main__.py"
    with scoring(200) as (port, asked):
        program.write_text(program.read_text().replace(":1", f":{port}").replace('"models",', '"models", "logs",'))
        _commit(checkout, "a bucket more")
        # Called by itself: Pulumi is given this process's standard error, which `CliRunner` takes away.
        release.release("dev")
        assert "trial-logs" in {record.identifier for record in account.look().records}
        assert asked == ["/v1/predict"] * REQUESTS
        assert CliRunner().invoke(app, ["smoke", "--env", "dev"]).exit_code == 0
        assert len(asked) == 2 * REQUESTS


def test_the_release_before_is_found_in_the_stacks_own_history(account: Account) -> None:
    """Pulumi keeps the commit of each update; this one's is none to go back to."""
    assert account.look().records
    first = release.commit()
    assert release.previous(release.history("dev"), first) is None
    checkout = account.path.with_name("checkout")
    (checkout / "note").write_text("changed")
    second = _commit(checkout, "second")
    assert release.previous(release.history("dev"), second) == first
    assert release.scoring_urls("dev") == {"car-loan": "http://127.0.0.1:1"}


def test_going_back_runs_the_old_commits_own_make(account: Account) -> None:
    """In a checkout of its own, which is gone afterwards."""
    assert account.look().records
    checkout = account.path.with_name("checkout")
    log = checkout.parent / "log"
    (checkout / "Makefile").write_text(f"up:\n\t@echo old $(ENV) >> {log}\n")
    old = _commit(checkout, "old")
    (checkout / "Makefile").write_text(f"up:\n\t@echo new $(ENV) >> {log}\n")
    _commit(checkout, "new")
    release.up_of("dev", old)
    assert log.read_text() == "old dev\n"
    listed = subprocess.run(["git", "worktree", "list"], cwd=checkout, check=True, capture_output=True, text=True)
    assert len(listed.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "registry_of", "fails"),
    [
        (("--env", "dev"), "dev", None),
        (("--env", "staging", "--source"), "dev", None),
        (("--env", "dev", "--source"), None, None),
        (("--env", "dev"), "dev", "docker"),
        (("--env", "dev"), None, "aws"),
    ],
)
def test_docker_is_logged_in_by_standard_input(
    tmp_path: Path, arguments: tuple[str, ...], registry_of: str | None, fails: str | None
) -> None:
    """To the registry that the environment's file names; who has no credentials or refuses them is told by name."""
    log = tmp_path / "log"
    last = {name: f"echo no {name} >&2\nexit {int(fails == name)}\n" for name in ("aws", "docker")}
    (tmp_path / "aws").write_text(f"#!/bin/sh\necho secret\n{last['aws']}")
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$@" > {log}\ncat >> {log}\n{last["docker"]}')
    for name in ("aws", "docker"):
        (tmp_path / name).chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    done = ci("login", *arguments, PATH=path)
    assert done.returncode == int(fails is not None), done.stderr
    if registry_of is None:
        assert not log.exists()
    else:
        account = pulumi_cli.read_config(registry_of)["config"]["realtime-ml:aws"]["account_id"]
        registry = f"{account}.dkr.ecr.eu-central-1.amazonaws.com"
        assert log.read_text() == f"login --username=AWS --password-stdin {registry}\nsecret\n"
    assert (f"{fails}: no {fails}" in done.stderr) == bool(fails)
    assert "secret" not in done.stderr


@pytest.mark.parametrize("command", [["drift"], ["smoke"], ["release"], ["sign", "--key=keyless"]], ids=" ".join)
def test_without_a_state_what_needs_one_says_so(command: list[str]) -> None:
    """On a fork's pull request or a laptop, before anything is touched."""
    done = ci(*command, "--env", "dev")
    assert done.returncode == 1
    assert "no PULUMI_BACKEND_URL" in done.stderr


def test_a_trials_file_is_written_beside_the_others(tmp_path: Path) -> None:
    """And is an environment like them: its plan is shown without an account."""
    checkout = checkout_with_pack(tmp_path / "checkout")
    done = ci("trial", "--env", "staging", checkout=checkout)
    assert done.returncode == 0, done.stderr
    assert (checkout / "Pulumi.trial.yaml").is_file()
    shutil.copy(checkout / "Pulumi.trial.yaml", tmp_path)
    shown = ci(
        "preview",
        "--env",
        "trial",
        "--folder",
        str(tmp_path),
        checkout=checkout,
        REALTIME_ML_STATE=str(tmp_path / "state"),
    )
    assert shown.returncode == 0, shown.stderr
    assert "### `trial`: " in (tmp_path / "trial.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("status", [0, 1])
def test_every_recipe_that_a_branch_changes_is_judged(tmp_path: Path, status: int) -> None:
    """By `make validate-model` against the commit where the branch began; what did not change is not."""
    checkout = checkout_with_pack(tmp_path / "checkout")
    base = _commit(checkout, "base")
    subprocess.run(["git", "branch", "theirs"], cwd=checkout, check=True)
    recipe = checkout / "models" / "car_loan" / "recipe.toml"
    recipe.write_text(recipe.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    log = tmp_path / "log"
    (checkout / "Makefile").write_text(f"validate-model:\n\t@echo $(MODEL) $(BASE) >> {log}; exit {status}\n")
    _commit(checkout, "a recipe")
    done = ci("recipes", "--base", "theirs", checkout=checkout)
    assert (done.returncode == 0) == (status == 0), done.stderr
    assert log.read_text() == f"car-loan {base}\n"
    assert ("refused: car-loan" in done.stderr) == bool(status)

    nowhere = ci("recipes", "--base", "nowhere", checkout=checkout)
    assert "fetch the branch" in nowhere.stderr


def test_a_stack_is_made_where_the_person_keeps_states_with_a_passphrase_of_their_own(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A folder here; a bucket or Pulumi Cloud is another address. The second time it is there already."""
    checkout = account.path.with_name("checkout")
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path / 'other'}")
    (checkout / "Pulumi.qa.yaml").write_text("config: {}\n")
    for _ in range(2):
        environments.make_stack("qa")
    assert (tmp_path / "other" / ".pulumi" / "stacks" / "trial" / "qa.json").is_file()
    assert "encryptionsalt" in (checkout / "Pulumi.qa.yaml").read_text()
