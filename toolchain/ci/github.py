"""GitHub's side: one comment a pull request, one issue a finding, written anew and not repeated."""

import os
from dataclasses import dataclass
from typing import Any, Final

import httpx

from toolchain.errors import ToolchainError

_STEP: Final = "telling GitHub"
_PAGE: Final = 100
_TIMEOUT_SECONDS: Final = 30

Json = Any
"""A value as JSON has it."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository, as the workflow's own token may change it."""

    client: httpx.Client

    @classmethod
    def from_environment(cls) -> "Repository":
        """The one that the workflow runs in.

        Raises:
            ToolchainError: it runs in none, or without a token.
        """
        try:
            server, name, token = (os.environ[key] for key in ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN"))
        except KeyError as error:
            raise ToolchainError(
                _STEP,
                f"no {error.args[0]}",
                "run it in a workflow, with `GITHUB_TOKEN: ${{ github.token }}` in its env",
            ) from None
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        return cls(httpx.Client(base_url=f"{server}/repos/{name}", headers=headers, timeout=_TIMEOUT_SECONDS))

    def comment(self, pull_request: int, marker: str, text: str) -> str:
        """Write the comment that bears the marker, or write it anew; gives its address."""
        path = f"/issues/{pull_request}/comments"
        for comment in self._all(path):
            if marker in comment["body"]:
                return str(self._ask("PATCH", f"/issues/comments/{comment['id']}", {"body": text})["html_url"])
        return str(self._ask("POST", path, {"body": text})["html_url"])

    def open_issue(self, marker: str, title: str, text: str) -> str:
        """Open the issue that bears the marker, or write it anew while it is open; gives its address."""
        body = {"title": title, "body": f"{marker}\n{text}"}
        number = self._issue(marker)
        answer = self._ask("POST", "/issues", body) if number is None else self._ask("PATCH", f"/issues/{number}", body)
        return str(answer["html_url"])

    def close_issue(self, marker: str) -> None:
        """Close the issue that bears the marker, if there is one."""
        number = self._issue(marker)
        if number is not None:
            self._ask("PATCH", f"/issues/{number}", {"state": "closed", "state_reason": "completed"})

    def _issue(self, marker: str) -> int | None:
        # Pull requests are issues to this interface; one that quotes the marker is none of ours.
        return next(
            (
                int(issue["number"])
                for issue in self._all("/issues", state="open")
                if marker in (issue["body"] or "") and "pull_request" not in issue
            ),
            None,
        )

    def _all(self, path: str, **query: str) -> list[Json]:
        found: list[Json] = []
        while len(page := self._ask("GET", path, query={**query, "per_page": _PAGE, "page": len(found) // _PAGE + 1})):
            found += page
            if len(page) < _PAGE:
                break
        return found

    def _ask(self, method: str, path: str, body: Json = None, query: dict[str, str | int] | None = None) -> Json:
        try:
            answer = self.client.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            raise ToolchainError(_STEP, f"{method} {path}: {error}", "run the job again") from error
        if answer.is_error:
            # GitHub's message says which permission is missing; the token is in no part of it.
            raise ToolchainError(
                _STEP,
                f"{method} {path}: {answer.status_code} {answer.json().get('message', '')}",
                "look at the job's `permissions`; a pull request from a fork may only read",
            )
        return answer.json()
