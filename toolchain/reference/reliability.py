"""What faults cost: the page of figures that the end-to-end test's last run left. `make reliability` runs both."""

import json
import os
from typing import Any, Final

from toolchain.paths import REPOSITORY

FIGURES: Final = REPOSITORY / "build" / "reliability.json"
PAGE: Final = REPOSITORY / "docs" / "reliability.md"

_HEAD: Final = """# Reliability, measured

Written by `make reliability` from a run of `tests/e2e/test_reliability.py`, {at}, {cores} cores: the local stack on the
embedded node, {per_second:.0f} requests a second from {clients} clients that keep their connections and send a request
up to {tries} times, predictions acknowledged once they are on a pod's disk (`prediction_log.durability: sync`).

Of {acknowledged:,} acknowledged predictions {lost} were lost and {doubled} are in the store twice.

"""

_COLUMNS: Final = (
    ("what breaks", "---"),
    ("what is promised", "---"),
    ("requests", "---:"),
    ("tries that failed", "---:"),
    ("requests that failed", "---:"),
    ("slowest answer, s", "---:"),
    ("steady again after, s", "---:"),
)

_TAIL: Final = """
A try is one HTTP request; a request fails when all its tries do. Steady again: five seconds without a failed try, and
every pod ready. The times are of one node that shares its cores with the load, and count what a rollout or a restart
takes there.

Proven elsewhere, on real processes before a real S3 server: a hundred kills with nothing lost or doubled, a full disk,
a store that answers nonsense or is away, a thousand swaps under load (`tests/services/scoring/process/`); a killed
evaluation and a killed retraining (`tests/services/drift/`, `tests/services/retraining/`); on the running stack, a
champion that does not load and far more requests than can be answered (`tests/e2e/test_monitoring.py`). Not tried: a
step of the clock, the loss of a node.
"""


def page(figures: dict[str, Any], cores: int) -> str:
    """The page in Markdown."""
    lines = [
        f"| {each['name']} | {each['promise']} | {each['requests']:,} | {each['failed_tries']} "
        f"| {each['failed_requests']} | {each['slowest_seconds']:.2f} | {each['steady_after_seconds']:.0f} |"
        for each in figures["faults"]
    ]
    head = [f"| {' | '.join(names)} |" for names in zip(*_COLUMNS, strict=True)]
    return _HEAD.format(**figures, cores=cores) + "\n".join([*head, *lines, _TAIL])


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(FIGURES.read_text(encoding="utf-8")), os.cpu_count() or 1), encoding="utf-8")
