"""Pages as a browser shows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from toolchain.install import install

_PATIENCE_MILLISECONDS: Final = 60_000

# Plotly draws each trace, a line or a set of bars, as an SVG group of that class; an empty place has none.
_TRACES: Final = """() => Object.fromEntries([...document.querySelectorAll(".plot")].map(
    place => [place.id, [...place.querySelectorAll("g.trace")].filter(trace => trace.getBBox().width > 0).length]))"""


@dataclass(frozen=True)
class Seen:
    """What a page did.

    Attributes:
        complaints: what it wrote to the console as an error or a warning, and exceptions that nobody caught.
        requests: every URL that it asked for, itself first.
        plots: the places for plots, and how many lines or sets of bars are drawn in each.
    """

    complaints: list[str]
    requests: list[str]
    plots: dict[str, int]


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium, the toolchain's where the machine has none."""
    program = install(["chromium-headless-shell"])["chromium-headless-shell"]
    with sync_playwright() as playwright:
        # Root may not use Chromium's sandbox; the pages are our own.
        running = playwright.chromium.launch(executable_path=program, chromium_sandbox=False)
        try:
            yield running
        finally:
            running.close()


def open_page(running: Browser, url: str) -> Seen:
    """Opens a page, and waits until its scripts have run."""
    complaints: list[str] = []
    requests: list[str] = []
    page = running.new_page()
    page.set_default_timeout(_PATIENCE_MILLISECONDS)
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    try:
        page.goto(url, wait_until="networkidle")
        plots = page.evaluate(_TRACES)
    finally:
        page.close()
    return Seen(complaints, requests, plots)
