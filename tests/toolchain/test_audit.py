"""An audit says what is known against a package, and never passes when nobody was asked."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from toolchain import audit
from toolchain.audit import Audit, locks, read
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY

CLEAN: dict[str, Any] = {"name": "uvicorn", "version": "0.54.0", "vulns": []}
KNOWN: dict[str, Any] = {
    "name": "pyyaml",
    "version": "5.3",
    "vulns": [{"id": "PYSEC-2020-96", "fix_versions": ["5.3.1"], "aliases": ["CVE-2020-1747"], "description": "..."}],
}
UNANSWERED: dict[str, Any] = {"name": "click", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def test_what_is_known_is_told_apart_from_what_nobody_said() -> None:
    """pip-audit itself ends with 0 when it found none of the packages."""
    assert read({"dependencies": [CLEAN, KNOWN, UNANSWERED]}) == Audit(
        asked=2, known=("pyyaml 5.3: PYSEC-2020-96, mended in ['5.3.1']",), unanswered=("click",)
    )


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pip-audit that answers what this file holds, whatever it is asked, and writes down what that was."""
    answer = tmp_path / "answer"
    program = tmp_path / "pip-audit"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncat {answer}\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    return answer


def test_a_clean_answer_passes_and_every_lock_file_was_asked_about(answering: Path) -> None:
    """As it stands: nothing is installed, nothing resolved."""
    answering.write_text(json.dumps({"dependencies": [CLEAN]}))
    audit.audit()
    asked = (answering.parent / "asked").read_text().splitlines()
    assert len(asked) == len(locks()) == 5
    assert all("--disable-pip" in line for line in asked)
    assert [line.rpartition("=")[2] for line in asked] == [str(lock) for lock in locks()]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (json.dumps({"dependencies": [CLEAN, KNOWN]}), "5 findings"),
        (json.dumps({"dependencies": [UNANSWERED]}), "nobody could be asked"),
        ("", "nobody could be asked"),
        ("Traceback (most recent call last):", "nobody could be asked"),
    ],
)
def test_a_finding_fails_and_so_does_no_answer(answer: str, cause: str, answering: Path) -> None:
    """Without a network it says that it could not ask, and not that all is well."""
    answering.write_text(answer)
    with pytest.raises(ToolchainError, match=cause):
        audit.audit()


def test_everything_that_is_pinned_is_asked_about() -> None:
    """A lock file that is left out would age unseen."""
    assert {lock.relative_to(REPOSITORY).as_posix() for lock in locks()} >= {
        file.relative_to(REPOSITORY).as_posix() for file in REPOSITORY.glob("services/*/requirements.lock")
    }
    assert all(lock.is_file() for lock in locks())


def test_pull_requests_and_every_week_ask() -> None:
    """What is known changes while nothing else does."""
    for workflow in ("pull-request.yml", "weekly.yml"):
        assert "run: make audit" in (REPOSITORY / ".github" / "workflows" / workflow).read_text(encoding="utf-8")
