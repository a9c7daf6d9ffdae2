"""One comment a pull request and one issue a finding, on a GitHub that answers from memory."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from toolchain.ci.github import Repository
from toolchain.errors import ToolchainError

MARKER = "<!-- ours -->"


@dataclass
class GitHub:
    """As much of it as is asked: issues and comments, a hundred a page."""

    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    denies: bool = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answers a request."""
        assert request.headers["Authorization"] == "Bearer token"
        if self.denies:
            return httpx.Response(403, json={"message": "Resource not accessible by integration"})
        path = request.url.path.removeprefix("/repos/acme/pricing")
        held = self.comments if path.endswith("/comments") or "/comments/" in path else self.issues
        if request.method == "GET":
            size, page = int(request.url.params["per_page"]), int(request.url.params["page"])
            state = request.url.params.get("state")
            found = [one for one in held if state is None or one["state"] == state]
            return httpx.Response(200, json=found[(page - 1) * size : page * size])
        body = json.loads(request.content)
        if request.method == "POST":
            held.append({"id": len(held), "number": len(held), "state": "open", "html_url": f"u/{len(held)}", **body})
            return httpx.Response(201, json=held[-1])
        one = held[int(path.rpartition("/")[2])]
        one.update(body)
        return httpx.Response(200, json=one)


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> GitHub:
    """What the workflow's environment leads to."""
    for name, value in {
        "GITHUB_API_URL": "https://api.example",
        "GITHUB_REPOSITORY": "acme/pricing",
        "GITHUB_TOKEN": "token",
    }.items():
        monkeypatch.setenv(name, value)
    return GitHub()


def repository(github: GitHub) -> Repository:
    """The repository, whose requests the memory answers."""
    made = Repository.from_environment()
    client = httpx.Client(
        base_url=made.client.base_url, headers=made.client.headers, transport=httpx.MockTransport(github)
    )
    return Repository(client)


def test_a_comment_is_written_once_and_then_anew(github: GitHub) -> None:
    """Also where a hundred and fifty others were written in between."""
    ours = repository(github)
    ours.comment(7, MARKER, f"{MARKER} first")
    github.comments[:0] = [{"id": -1, "body": "theirs"}] * 150
    for index, comment in enumerate(github.comments):
        comment["id"] = index
    ours.comment(7, MARKER, f"{MARKER} second")
    assert [comment["body"] for comment in github.comments if MARKER in comment["body"]] == [f"{MARKER} second"]


def test_an_issue_is_opened_once_and_closed_when_there_is_nothing_any_more(github: GitHub) -> None:
    """The next finding opens another: the closed one is history."""
    ours = repository(github)
    ours.close_issue(MARKER)
    assert github.issues == []
    ours.open_issue(MARKER, "dev", "one differs")
    ours.open_issue(MARKER, "dev", "two differ")
    assert [issue["body"] for issue in github.issues] == [f"{MARKER}\ntwo differ"]
    ours.close_issue(MARKER)
    assert github.issues[0]["state"] == "closed"
    ours.open_issue(MARKER, "dev", "again")
    assert [issue["state"] for issue in github.issues] == ["closed", "open"]


def test_a_pull_request_that_quotes_the_marker_is_none_of_ours(github: GitHub) -> None:
    """GitHub lists pull requests among the issues."""
    github.issues.append({"number": 0, "state": "open", "body": MARKER, "pull_request": {}})
    repository(github).close_issue(MARKER)
    assert github.issues[0]["state"] == "open"


def test_a_refusal_is_told_with_githubs_words_and_without_the_token(github: GitHub) -> None:
    """Which permission is missing is in them."""
    github.denies = True
    with pytest.raises(ToolchainError, match="403 Resource not accessible by integration") as caught:
        repository(github).comment(7, MARKER, "text")
    assert "token" not in str(caught.value).replace("`permissions`", "")


def test_without_credentials_it_says_which_variable_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine of one's own, nothing is posted."""
    for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ToolchainError, match="no GITHUB_API_URL"):
        Repository.from_environment()
