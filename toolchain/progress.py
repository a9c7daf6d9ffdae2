"""A line for each long step: what runs, for how long already, and for about how much longer."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

# stdout belongs to what a command answers (`make outputs` prints JSON), so progress goes to stderr.
console = Console(stderr=True, highlight=False, soft_wrap=True)

# A log is read later, so it gets a line now and then; a terminal gets one that moves.
_LOG_INTERVAL_SECONDS = 30.0
_TERMINAL_INTERVAL_SECONDS = 1.0
_MINUTE = 60


def duration(seconds: float) -> str:
    """Words for a duration, as `7 s` or `2 min 05 s`."""
    whole = round(seconds)
    return f"{whole} s" if whole < _MINUTE else f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"


def rest(elapsed: float, expected: float) -> str:
    """Words for what is left of a step that is expected to take so long (both in seconds)."""
    if elapsed < expected:
        return f"about {duration(expected - elapsed)} left"
    return f"{duration(elapsed - expected)} longer than expected"


@contextmanager
def step(title: str, expected_seconds: float, *, shows_itself: bool = False) -> Iterator[None]:
    """Show a step's progress while it runs, then its outcome; steps of several threads share the line.

    Args:
        title: what is done.
        expected_seconds: how long it takes on two cores.
        shows_itself: what runs draws its own progress in a terminal, which a second line would disturb.
    """
    started = time.monotonic()
    if shows_itself and console.is_terminal:
        yield
        return
    with _line.showing(title, started, expected_seconds):
        mark = "[red]x[/red]"
        try:
            yield
            mark = "[green]+[/green]"
        finally:
            console.print(f"{mark} {escape(title)} ({duration(time.monotonic() - started)})")


class _Line:
    """What is shown of the steps under way: a line that moves in a terminal, one now and then in a log."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[int, tuple[str, float, float]] = {}
        self._ended = threading.Event()
        self._ticker = threading.Thread()

    @contextmanager
    def showing(self, title: str, started: float, expected: float) -> Iterator[None]:
        with self._lock:
            key = max(self._steps, default=0) + 1
            self._steps[key] = (title, started, expected)
            if len(self._steps) == 1:
                self._ended.clear()
                self._ticker = threading.Thread(target=self._tick, daemon=True)
                self._ticker.start()
        try:
            yield
        finally:
            with self._lock:
                del self._steps[key]
                if not self._steps:
                    self._ended.set()
                    self._ticker.join()

    def _tick(self) -> None:
        interval = _TERMINAL_INTERVAL_SECONDS if console.is_terminal else _LOG_INTERVAL_SECONDS
        with console.status(self._text()) as status:
            while not self._ended.wait(interval):
                if console.is_terminal:
                    status.update(self._text())
                else:
                    console.print(f"  {self._text()}")

    def _text(self) -> str:
        now = time.monotonic()
        return " | ".join(
            f"{escape(title)}: {duration(now - started)}, {rest(now - started, expected)}"
            for title, started, expected in list(self._steps.values())
        )


_line = _Line()
