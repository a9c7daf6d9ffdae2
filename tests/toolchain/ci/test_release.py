"""A release that does not answer gives way to the one before."""

from collections.abc import Mapping
from typing import Any

import pytest

from toolchain import environments
from toolchain.ci import release
from toolchain.errors import ToolchainError

GOOD, BAD, OLD = "a" * 40, "b" * 40, "c" * 40


def update(head: str, kind: str = "update", result: str = "succeeded") -> Mapping[str, Any]:
    """An entry of `pulumi stack history --json`."""
    return {"kind": kind, "result": result, "environment": {"git.head": head} if head else {}}


@pytest.mark.parametrize(
    ("updates", "expected"),
    [
        ([], None),
        ([update(BAD)], None),
        ([update(GOOD)], GOOD),
        ([update(BAD), update(GOOD), update(OLD)], GOOD),
        ([update(GOOD, result="failed"), update(OLD)], OLD),
        ([update(GOOD, kind="refresh"), update(OLD)], OLD),
        ([update(""), update(OLD)], OLD),
    ],
)
def test_the_release_before_is_the_last_that_went_well_from_another_commit(
    updates: list[Mapping[str, Any]], expected: str | None
) -> None:
    """A second attempt at a commit is no release to go back to; nor is what failed, or came from no commit."""
    assert release.previous(updates, BAD) == expected


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, in order; a smoke test fails while BAD runs."""
    events: list[str] = []
    running = [GOOD]

    def up(name: str) -> None:
        events.append(f"up {name}")
        running.append(BAD)

    def smoke(_urls: Mapping[str, str]) -> None:
        events.append(f"smoke {running[-1][0]}")
        if running[-1] == BAD:
            raise ToolchainError("the smoke test", "status 500", "look")

    def up_of(name: str, revision: str) -> None:
        events.append(f"back {name} {revision[0]}")
        running.append(revision)

    monkeypatch.setattr(environments, "up", up)
    monkeypatch.setattr(release, "smoke", smoke)
    monkeypatch.setattr(release, "up_of", up_of)
    monkeypatch.setattr(release, "scoring_urls", lambda _: {})
    monkeypatch.setattr(release, "commit", lambda: BAD)
    monkeypatch.setattr(release, "history", lambda _: [update(GOOD)])
    return events


def test_a_release_that_does_not_answer_is_taken_back_and_still_fails(done: list[str]) -> None:
    """The job is red, and the environment answers."""
    with pytest.raises(ToolchainError, match=rf"(?s)status 500.*it runs {GOOD} again"):
        release.release("dev")
    assert done == ["up dev", "smoke b", "back dev a", "smoke a"]


def test_a_release_that_answers_stays(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is done."""
    monkeypatch.setattr(release, "smoke", lambda _: done.append("smoke"))
    release.release("dev")
    assert done == ["up dev", "smoke"]


def test_a_first_release_that_does_not_answer_says_that_there_is_none_before(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left as it is, to be looked at."""
    monkeypatch.setattr(release, "history", lambda _: [])
    with pytest.raises(ToolchainError, match="no release before this one"):
        release.release("dev")
    assert done == ["up dev", "smoke b"]
