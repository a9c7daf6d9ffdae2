"""What a rehearsal came to: a line for everything seen, as it happens, and a table at the end."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_MINUTE = 60
_STYLES = {"passed": "green", "failed": "red", "not run": "dim"}


class Verdict(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


class StepFailedError(Exception):
    """What a step was to show does not hold; the text says what was seen instead."""


@dataclass
class Entry:
    """A step.

    Attributes:
        title: what it shows.
        verdict: how it ended.
        seconds: how long it took.
        seen: what was seen, in order.
        failure: why it failed; empty when it did not.
    """

    title: str
    verdict: Verdict = Verdict.NOT_RUN
    seconds: float = 0.0
    seen: list[str] = field(default_factory=list)
    failure: str = ""


class Report:
    """The timeline of a rehearsal, and its outcome."""

    def __init__(self, environment: str, titles: Sequence[str], console: Console) -> None:
        """Begin, with no step run."""
        self.environment = environment
        self.entries = [Entry(title) for title in titles]
        self._console = console
        self._started = time.monotonic()
        self._current: Entry | None = None

    @property
    def passed(self) -> bool:
        """Whether every step did."""
        return all(entry.verdict is Verdict.PASSED for entry in self.entries)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Add a line to the timeline."""
        if self._current is not None:
            self._current.seen.append(text)
        whole = int(self.seconds)
        self._console.print(f"[dim]{whole // _MINUTE:3d}:{whole % _MINUTE:02d}[/dim]  {escape(text)}")

    @contextmanager
    def step(self, index: int) -> Iterator[None]:
        """Run a step; a failure is recorded and raised again."""
        entry = self.entries[index]
        self.say(f"{index + 1} of {len(self.entries)}: {entry.title}")
        self._current, started = entry, time.monotonic()
        try:
            yield
            entry.verdict = Verdict.PASSED
        except BaseException as error:
            entry.verdict = Verdict.FAILED
            entry.failure = str(error) or type(error).__name__
            raise
        finally:
            entry.seconds = round(time.monotonic() - started, 1)
            self._current = None

    def table(self) -> Table:
        """The outcome, a row a step."""
        table = Table(title=f"Rehearsal of {self.environment}", caption=f"{self.seconds:.0f} s in all")
        for column in ("", "step", "outcome", "seconds"):
            table.add_column(column, overflow="fold", justify="right" if column == "seconds" else "left")
        for number, entry in enumerate(self.entries, start=1):
            outcome = f"[{_STYLES[entry.verdict]}]{entry.verdict}[/]"
            detail = (
                f"{escape(entry.title)}\n[red]{escape(entry.failure)}[/red]" if entry.failure else escape(entry.title)
            )
            table.add_row(str(number), detail, outcome, f"{entry.seconds:.0f}")
        return table

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        document = {
            "environment": self.environment,
            "passed": self.passed,
            "seconds": round(self.seconds, 1),
            "steps": [asdict(entry) for entry in self.entries],
        }
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
