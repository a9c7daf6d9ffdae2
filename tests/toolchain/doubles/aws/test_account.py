"""The simulated account is a file that holds what exists."""

from pathlib import Path

import pytest

from toolchain.doubles.aws import planting
from toolchain.doubles.aws.__main__ import main
from toolchain.doubles.aws.account import VARIABLE, Account, Record
from toolchain.doubles.aws.references import BUCKET
from toolchain.doubles.errors import RefusedError

MESSAGE = "on the way"


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """An account that nothing was made in."""
    return Account(tmp_path / "folder" / "account.json", "111122223333")


def test_what_is_made_is_there_the_next_time(account: Account) -> None:
    """And the file keeps the account's number, whoever opens it."""
    with account.change() as holdings:
        holdings.records.append(Record(BUCKET, "one", "urn::one", holdings.next_seed("urn::one"), {"bucket": "one"}))
    again = Account(account.path, "444455556666").look()
    assert again.account == "111122223333"
    assert [record.inputs for record in again.of(BUCKET)] == [{"bucket": "one"}]


def test_a_change_that_breaks_off_is_none(account: Account) -> None:
    """The file is as it was."""
    with account.change():
        pass
    before = account.path.read_text()
    with pytest.raises(RuntimeError, match=MESSAGE):
        _break_off(account)
    assert account.path.read_text() == before
    assert {path.name for path in account.path.parent.iterdir()} <= {"account.json", "account.json.lock"}


def _break_off(account: Account) -> None:
    with account.change() as holdings:
        holdings.records.append(Record(BUCKET, "one", "", ""))
        raise RuntimeError(MESSAGE)


def test_no_seed_comes_twice(account: Account) -> None:
    """Not for the same resource either: made again, it is another."""
    with account.change() as holdings:
        first = holdings.next_seed("urn::one")
    with account.change() as holdings:
        assert holdings.next_seed("urn::one") != first


def test_what_no_stack_made_can_be_put_there(account: Account) -> None:
    """Where there is a place for it, once."""
    with account.change() as holdings:
        holdings.records.append(Record(BUCKET, "one", "", ""))
        planting.plant(holdings, "object", "one", "key")
        with pytest.raises(RefusedError, match="already"):
            planting.plant(holdings, "object", "one", "key")
        with pytest.raises(RefusedError, match="no aws:s3/bucket:Bucket 'two'"):
            planting.plant(holdings, "object", "two", "key")


def test_the_command_lists_what_is_left(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each, with the name that the program gave it."""
    monkeypatch.setenv(VARIABLE, str(account.path))
    with account.change() as holdings:
        holdings.records.append(Record(BUCKET, "one", "urn:pulumi:test::aws:s3/bucket:Bucket::models", ""))
    assert main(["plant", "object", "one", "key"]) == 0
    assert main([]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["account", "111122223333"],
        [BUCKET, "one", "models"],
        ["planted:s3:object", "one/key", "-"],
    ]
    assert main(["plant", "object", "one", "key"]) == 1
    assert "already" in capsys.readouterr().err
    assert main(["plant", "elephant"]) == 2
    monkeypatch.delenv(VARIABLE)
    assert main([]) == 2


@pytest.mark.parametrize("content", ["", "[]", '{"records": [{}]}'])
def test_another_file_is_no_account(account: Account, content: str) -> None:
    """And is left as it is."""
    account.path.parent.mkdir()
    account.path.write_text(content)
    with pytest.raises(RefusedError, match=r"account\.json holds no simulated account"), account.change():
        pass
    assert account.path.read_text() == content
