"""The report as a browser shows it."""

import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
import uvicorn
from drift.app import create_app
from drift.metrics import Metrics
from drift.schedule import Schedule
from drift.stores import Stores
from tests.browser import browser, open_page
from tests.services.drift.replay import MODEL, Replay, rows, shifted

pytestmark = pytest.mark.engine  # it starts a browser

_NOTHING_NEW = "import json; print(json.dumps({'newest': None, 'conditions': [], 'rows': 0, 'failures': {}}))"


@contextmanager
def _served(replay: Replay) -> Iterator[str]:
    """The service's address; what it evaluates finds nothing new."""
    schedule = Schedule(replay.settings, Metrics([MODEL]), [sys.executable, "-c", _NOTHING_NEW])
    app = create_app(replay.settings, Stores(replay.store, replay.store), schedule)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="warning"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def test_the_report_shows_every_plot_and_asks_nobody_else(replay: Replay, tmp_path: Path) -> None:
    """Nor does it complain; the file to keep does the same from a disk, without the service."""
    replay.publish(rows(5000))
    table = shifted(rows(1500, 1), "feature.age", pa.array(np.full(1500, 3.0)))
    replay.predict(table)
    replay.label(table.slice(0, 1000))
    replay.evaluate()
    file = tmp_path / "report.html"
    with _served(replay) as origin, browser() as running:
        seen = open_page(running, f"{origin}/report/{MODEL}")
        with urlopen(f"{origin}/report/{MODEL}?download") as response:  # noqa: S310 - our own
            file.write_bytes(response.read())
        kept = open_page(running, file.as_uri())
    wanted = {
        f"plot-{place}": len(plot["traces"])
        for place, plot in enumerate(json.loads(re.findall(r"const plots = (.*);\n", file.read_text())[-1]))
    }
    assert len(wanted) > 5
    for one in (seen, kept):
        assert one.complaints == []
        assert one.plots == wanted
    assert seen.requests == [f"{origin}/report/{MODEL}", f"{origin}/static/plotly.min.js"]
    assert kept.requests == [file.as_uri()]


def test_what_is_wrong_with_a_page_is_seen(tmp_path: Path) -> None:
    """Otherwise nothing would be."""
    page = tmp_path / "page.html"
    page.write_text(
        """<div class="plot" id="empty"></div><img src="http://127.0.0.1:1/elsewhere.png">
        <script>console.error("complains"); throw new Error("breaks")</script>"""
    )
    with browser() as running:
        seen = open_page(running, page.as_uri())
    assert {"complains", "breaks"} <= set(seen.complaints)
    assert seen.requests == [page.as_uri(), "http://127.0.0.1:1/elsewhere.png"]
    assert seen.plots == {"empty": 0}
