"""Taking an environment away asks first, looks whose account it is, and says what it leaves."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolchain import environments, plugins, pulumi_cli
from toolchain.doubles import launchers
from toolchain.doubles.aws.account import ID_VARIABLE, VARIABLE, Account, Record
from toolchain.errors import ToolchainError

pytestmark = pytest.mark.engine

NUMBER = "111122223333"
BUCKET = "aws:s3/bucket:Bucket"


def _resource(token: str, name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as Pulumi exports it
    return {"urn": f"urn:pulumi:dev::realtime-ml::{token}::{name}", "type": token, "custom": True, "id": name, **more}


Write = Callable[..., Account]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Makes a stack `dev` with two buckets in a state of the person's own; their settings may be given."""
    checkout, backend, passphrase = (tmp_path / name for name in ("checkout", "backend", "passphrase"))
    checkout.mkdir()
    backend.mkdir()
    passphrase.write_text("correct horse battery staple")
    (checkout / "Pulumi.yaml").write_text("name: realtime-ml\nruntime: python\n")
    (checkout / "Pulumi.dev.yaml").write_text("config: {}\n")
    monkeypatch.setattr(environments, "REPOSITORY", checkout)
    monkeypatch.setattr(pulumi_cli, "REPOSITORY", checkout)
    # Those of the stand-ins, also on a machine that has the official plugin.
    monkeypatch.setattr(plugins, "missing", lambda: list(launchers.MODULES))
    for name, value in {
        "REALTIME_ML_STATE": tmp_path / "ours",
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": passphrase,
        VARIABLE: tmp_path / "account.json",
        ID_VARIABLE: NUMBER,
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("CONFIRM", raising=False)

    def made(**settings: Any) -> Account:  # noqa: ANN401 - as Pulumi exports it
        variables = {
            **pulumi_cli.environment(tmp_path / "ours"),
            **{name: os.environ[name] for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE")},
        }
        pulumi_cli.run(["--cwd", checkout, "stack", "init", "dev"], variables, capture=True)
        inputs = {"region": "eu-central-1", "allowedAccountIds": f'["{NUMBER}"]'}
        provider = _resource("pulumi:providers:aws", "aws", inputs=inputs, outputs=inputs)
        reference = f"{provider['urn']}::{provider['id']}"
        bucket = {"inputs": {"bucket": "b"}, "outputs": {"bucket": "b"}, "provider": reference}
        resources = [
            provider,
            _resource(BUCKET, "models", retainOnDelete=True, **bucket, **settings),
            _resource(BUCKET, "scratch", **bucket),
        ]
        exported = json.loads(
            pulumi_cli.run(["--cwd", checkout, "stack", "export", "--stack", "dev"], variables, capture=True)
        )
        exported["deployment"]["resources"] = resources
        text = json.dumps(exported)
        pulumi_cli.run(["--cwd", checkout, "stack", "import", "--stack", "dev"], variables, capture=True, text=text)
        account = Account(tmp_path / "account.json", NUMBER)
        with account.change() as holdings:
            holdings.records += [Record(BUCKET, name, "urn", "") for name in ("models", "scratch")]
        return account

    return made


def _held(account: Account) -> list[str]:
    return [record.identifier for record in account.look().records]


def test_what_is_retained_stays_and_is_listed(
    write: Write, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Everything else goes."""
    account = write()
    monkeypatch.setenv("CONFIRM", "dev")
    environments.destroy("dev")
    assert _held(account) == ["models"]
    said = capfd.readouterr().err
    assert "left in the account, as configured:" in said
    assert f"{BUCKET} models" in said
    assert f"{BUCKET} scratch" not in said


@pytest.mark.parametrize("given", [None, "", "prod"])
def test_nothing_goes_unless_the_stack_is_named(
    write: Write, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    """Another's name is none, and where nobody can be asked the answer is no."""
    account = write()
    if given is not None:
        monkeypatch.setenv("CONFIRM", given)
    with pytest.raises(ToolchainError, match=r"not confirmed.*\n.*CONFIRM=dev"):
        environments.destroy("dev")
    assert _held(account) == ["models", "scratch"]


def test_credentials_of_another_account_destroy_nothing(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is confirmed; the error names both accounts."""
    account = write()
    monkeypatch.setenv("CONFIRM", "dev")
    monkeypatch.setenv(VARIABLE, f"{account.path}.other")
    monkeypatch.setenv(ID_VARIABLE, "999988887777")
    with pytest.raises(ToolchainError, match=f"is in account {NUMBER}, the credentials at hand are of 999988887777"):
        environments.destroy("dev")
    assert _held(account) == ["models", "scratch"]


def test_what_is_protected_keeps_everything(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only itself: Pulumi alone would delete what depends on it first."""
    account = write(protect=True)
    monkeypatch.setenv("CONFIRM", "dev")
    with pytest.raises(ToolchainError, match=r"1 resources are protected, models among them(.|\n)*aws.protect"):
        environments.destroy("dev")
    assert _held(account) == ["models", "scratch"]


def test_without_a_backend_it_is_not_known_what_to_destroy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable."""
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    with pytest.raises(ToolchainError, match="PULUMI_BACKEND_URL"):
        environments.destroy("dev")


def _docker(folder: Path, script: str) -> None:
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_docker_is_asked_for_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, dead and alive; where the stand-in builds, nothing is asked."""
    monkeypatch.setattr(plugins, "missing", list)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match="there is no `docker` on PATH"):
        environments.check_docker("bringing dev up")
    _docker(tmp_path, "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(ToolchainError, match="daemon does not answer: Cannot connect"):
        environments.check_docker("bringing dev up")
    _docker(tmp_path, "echo 27.0")
    environments.check_docker("bringing dev up")
    monkeypatch.setattr(plugins, "missing", lambda: ["pulumi-resource-docker-build"])
    (tmp_path / "docker").unlink()
    environments.check_docker("bringing dev up")


def test_an_up_without_docker_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole command, as CI would run it: refused, and no state and no account came to be."""
    for name, value in {
        "REALTIME_ML_STATE": tmp_path / "ours",
        "PULUMI_BACKEND_URL": f"file://{tmp_path}",
        "CONFIRM": "dev",
        VARIABLE: tmp_path / "account.json",
        ID_VARIABLE: NUMBER,
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(plugins, "missing", lambda: ["pulumi-resource-aws"])
    monkeypatch.setenv("PATH", str(tmp_path))
    ran: list[object] = []
    monkeypatch.setattr(pulumi_cli, "run", lambda *arguments, **_: ran.append(arguments))
    with pytest.raises(ToolchainError, match="there is no `docker` on PATH"):
        environments.up("dev")
    assert not ran
    assert not (tmp_path / "account.json").exists()
