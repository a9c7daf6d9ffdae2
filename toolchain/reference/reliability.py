"""What faults and time cost: the page of the figures that `make reliability` and `make soak` left in build/."""

import json
import os
from collections.abc import Iterable
from typing import Any, Final

from toolchain.paths import REPOSITORY

FIGURES: Final = REPOSITORY / "build" / "reliability.json"
SOAK: Final = REPOSITORY / "build" / "soak.json"
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
champion that does not load and far more requests than can be answered (`tests/e2e/test_monitoring.py`).

A container cannot set the clock, so what services see of a step is tried in the fast tests, three hours on and three
back: each prediction is logged once, in the hour that the clock showed, under an id that owes nothing to the clock; no
row is in two chunks and no chunk is evaluated twice; a run that ended in times to come holds no retraining up. A clock
that ran ahead and is put back costs one thing: drift evaluates nothing until time has passed the last chunk's end,
`drift_newest_chunk_timestamp_seconds`. Not tried: the loss of a node.
"""


_SOAK_TITLE: Final = "## Soak"

_SOAK_HEAD: Final = f"""{_SOAK_TITLE}

Written by `make soak` (`MINUTES=60 SHARE=0.5`): the local stack with two scoring pods at a share of its capacity, which
is measured first; ten swaps of the champion, a rollout of every scoring pod, and drift evaluated all the while. Each
request is due at its moment and its latency counts from there.

"""

_SOAK_COLUMNS: Final = (
    ("run", "---"),
    ("requests a second", "---:"),
    ("requests", "---:"),
    ("failed", "---:"),
    ("in the log, distinct", "---:"),
    ("twice", "---:"),
    ("p50, ms", "---:"),
    ("p99, ms", "---:"),
    ("within 100 ms", "---:"),
    ("worst five minutes", "---:"),
)

_GROWTH_COLUMNS: Final = (
    ("run", "---"),
    ("service", "---"),
    ("pods", "---:"),
    ("memory, MiB", "---:"),
    ("handles", "---:"),
)

_SOAK_TAIL: Final = """
Capacity is the highest load, a tenth of what clients get that ask without a pause apart, whose answers were within the
objective for twenty seconds; the load generator runs on the same cores. Latencies are the client's; the worst five
minutes are those of the stack's own rule, measured in the pods: the share of the answers beyond 100 ms, of which 1 % is
allowed; the stack alerts from 14.4 % on. Memory and handles are medians of a window at a third of the run and of its
end, added up over a service's pods. Allowed is a tenth and 16 MiB a pod more memory, and 16 handles more. A run that
does not hold all of it fails.
"""


def _table(columns: tuple[tuple[str, str], ...], lines: Iterable[Iterable[str]]) -> str:
    head = zip(*columns, strict=True)
    return "".join(f"| {' | '.join(line)} |\n" for line in (*head, *lines))


def faults(figures: dict[str, Any], cores: int) -> str:
    """What faults cost, in Markdown."""
    lines = (
        (
            str(each["name"]),
            str(each["promise"]),
            f"{each['requests']:,}",
            f"{each['failed_tries']}",
            f"{each['failed_requests']}",
            f"{each['slowest_seconds']:.2f}",
            f"{each['steady_after_seconds']:.0f}",
        )
        for each in figures["faults"]
    )
    return _HEAD.format(**figures, cores=cores) + _table(_COLUMNS, lines) + _TAIL


def soak(runs: list[dict[str, Any]]) -> str:
    """What time costs, in Markdown: a line a run."""
    lines = (
        (
            _run(one),
            f"{one['per_second']:,.0f} of {one['capacity']['held_per_second']:,.0f}",
            f"{one['requests']:,}",
            f"{sum(one['failed'].values())}",
            f"{one['logged']['distinct']:,}",
            f"{one['logged']['rows'] - one['logged']['distinct']}",
            f"{one['p50_ms']:.1f}",
            f"{one['p99_ms']:.1f}",
            f"{one['within_objective']:.2%}",
            f"{one['slow_share']:.2%}",
        )
        for one in runs
    )
    grown = (
        (
            _run(one),
            each["service"],
            f"{each['pods']}",
            _from_to(each["memory_bytes"], 2**20),
            _from_to(each["handles"]),
        )
        for one in runs
        for each in one["growth"]
    )
    return _SOAK_HEAD + _table(_SOAK_COLUMNS, lines) + "\n" + _table(_GROWTH_COLUMNS, grown) + _SOAK_TAIL


def _run(one: dict[str, Any]) -> str:
    return f"{one['minutes']:.0f} min at {one['share']:.0%}, {one['date'][:10]}, {one['machine']['cores']} cores"


def _from_to(values: list[float], unit: int = 1) -> str:
    early, last = (value / unit for value in values)
    return f"{early:.0f} to {last:.0f}"


def page(text: str) -> str:
    """The page as it is, with the parts renewed of which there are figures."""
    parts = dict(zip((FIGURES, SOAK), _split(text), strict=True))
    if FIGURES.is_file():
        parts[FIGURES] = faults(json.loads(FIGURES.read_text(encoding="utf-8")), os.cpu_count() or 1)
    if SOAK.is_file():
        parts[SOAK] = soak(json.loads(SOAK.read_text(encoding="utf-8")))
    return "\n".join(part for part in parts.values() if part)


def _split(text: str) -> tuple[str, str]:
    before, title, after = text.partition(f"\n{_SOAK_TITLE}\n")
    return before, f"{_SOAK_TITLE}\n{after}" if title else ""


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
