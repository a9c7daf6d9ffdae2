"""The calendar asks once, and its exit status says whether it should ask again."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from retraining.receiver import ask


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_logging: None) -> Path:
    """What the stack tells it; the token's file."""
    del own_logging
    (tmp_path / "token").write_text("token\n")
    for name, value in {
        "ASK_URL": "http://receiver:8000",
        "ASK_MODEL": "car-loan",
        "ASK_TOKEN_FILE": str(tmp_path / "token"),
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "token"


@pytest.mark.parametrize(("status", "exit_status"), [(202, 0), (409, 0), (401, 1), (404, 1), (503, 1)], ids=str)
def test_a_decision_ends_it_and_anything_else_is_tried_again(
    environment: Path, monkeypatch: pytest.MonkeyPatch, status: int, exit_status: int
) -> None:
    """A run that is under way, or has just ended, is an answer too."""
    del environment
    asked: list[tuple[str, Any]] = []

    def post(url: str, **given: Any) -> httpx2.Response:  # noqa: ANN401 - what httpx2 takes
        asked.append((url, given))
        return httpx2.Response(status, json={})

    monkeypatch.setattr(httpx2, "post", post)
    assert ask.main() == exit_status
    ((url, given),) = asked
    assert url == "http://receiver:8000/v1/retrain"
    assert given["json"] == {"model": "car-loan", "trigger": "calendar"}
    assert given["headers"] == {"authorization": "Bearer token"}


def test_a_receiver_that_is_away_is_one_line_without_the_token(
    environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kubernetes tries again."""
    del environment

    def post(*_: object, **__: object) -> httpx2.Response:
        message = "token"
        raise httpx2.ConnectError(message)

    monkeypatch.setattr(httpx2, "post", post)
    assert ask.main() == 1
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["event"], line["cause"]) == ("not_asked", "ConnectError")
    assert "token" not in json.dumps(line)


def test_a_wrong_configuration_is_exit_status_2(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was asked."""
    del environment
    monkeypatch.setenv("ASK_URL", "receiver")
    assert ask.main() == 2
