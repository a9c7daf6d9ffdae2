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
def step(title: str, expected_seconds: float) -> Iterator[None]:
    """Show a step's progress while it runs, then its outcome.

    Args:
        title: what is done.
        expected_seconds: how long it takes on two cores.
    """
    started = time.monotonic()
    ended = threading.Event()
    interval = _TERMINAL_INTERVAL_SECONDS if console.is_terminal else _LOG_INTERVAL_SECONDS
    with console.status(_running(title, 0.0, expected_seconds)) as status:

        def tick() -> None:
            while not ended.wait(interval):
                line = _running(title, time.monotonic() - started, expected_seconds)
                if console.is_terminal:
                    status.update(line)
                else:
                    console.print(f"  {line}")

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        mark = "[red]x[/red]"
        try:
            yield
            mark = "[green]+[/green]"
        finally:
            ended.set()
            ticker.join()
            console.print(f"{mark} {escape(title)} ({duration(time.monotonic() - started)})")


def _running(title: str, elapsed: float, expected: float) -> str:
    return f"{escape(title)}: {duration(elapsed)}, {rest(elapsed, expected)}"
