"""The load ramp: its shape, its generator, and what is made of a run."""

import asyncio
import json
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ramp import plot, report
from benchmarks.ramp.load import CLIENTS, Outcome, Window, send
from benchmarks.ramp.report import Setting
from benchmarks.ramp.shape import Shape
from benchmarks.ramp.watch import Look, read
from toolchain.paths import REPOSITORY

SHAPE = Shape(base_per_second=10, calm_seconds=10, rise_seconds=20, hold_seconds=100, fall_seconds=20, rest_seconds=30)
SETTING = Setting(model="m", min_replicas=1, max_replicas=6, cpu_limit_millicores=100, target_cpu_percent=50)
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("at", "wanted"),
    [(0, 10), (10, 10), (20, 55), (30, 100), (129, 100), (140, 55), (150, 10), (180, 10)],
)
def test_the_load_rises_tenfold_stays_and_falls(at: float, wanted: float) -> None:
    """In straight lines."""
    assert SHAPE.per_second(at) == pytest.approx(wanted)


def test_as_many_requests_are_due_as_the_rates_say() -> None:
    """In order; the area below the line."""
    due = list(SHAPE.due())
    assert due == sorted(due)
    assert len(due) == pytest.approx(10 * 40 + 2 * 55 * 20 + 100 * 100, rel=0.01)


@pytest.mark.parametrize(("rate", "at"), [(5, 0), (55, 20), (99, 29.78), (100, None)])
def test_a_rate_is_passed_on_the_way_up_or_never(rate: float, at: float | None) -> None:
    """What lies below the base is passed from the start."""
    assert SHAPE.crossed_at(rate) == (at if at is None else pytest.approx(at, abs=0.01))


Answers = Callable[[int], bytes]


def sent(answer: Answers, count: int = 40, pause: float = 0.0) -> tuple[Outcome, list[bytes]]:
    """What becomes of requests, all due at once, to a server that answers so; and what it got."""
    got: list[bytes] = []
    outcome = Outcome(window_seconds=1.0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b"":
            got.append(await reader.readexactly(int(head.rpartition(b": ")[2])))
            told = answer(len(got))
            await asyncio.sleep(pause)
            if told == b"lose":
                break
            writer.write(told)
        writer.close()

    async def play() -> None:
        server = await asyncio.start_server(_quiet(serve), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await send(f"http://127.0.0.1:{port}/v1/predict", [b"{}", b"[]"], iter([0.0] * count), outcome)
        server.close()

    asyncio.run(play())
    return outcome, got


def _quiet(serve: Callable[..., Any]) -> Callable[..., Any]:
    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except asyncio.IncompleteReadError:
            writer.close()

    return run


def test_bodies_are_sent_in_turn_and_answers_counted() -> None:
    """Each with its latency."""
    outcome, got = sent(lambda _count: GOOD)
    assert sorted(got) == sorted([b"{}", b"[]"] * 20)
    assert (len(outcome.window(0).latencies), outcome.window(0).failed) == (40, 0)
    assert outcome.bytes > 40 * len(GOOD)


def test_what_is_not_answered_well_is_a_failure_of_its_kind() -> None:
    """A status, or a connection that ends; none is sent again."""
    bad = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno"
    outcome, got = sent(lambda count: bad if count <= 3 else b"lose" if count == 4 else GOOD)
    assert len(got) == 40
    assert outcome.failures == {"status 503": 3, "IncompleteReadError": 1}
    assert (len(outcome.window(0).latencies), outcome.window(0).failed) == (36, 4)


def test_a_connection_that_the_server_takes_back_is_not_used_again() -> None:
    """As a pod says that drains."""
    last = GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    outcome, got = sent(lambda _count: last, count=CLIENTS * 3)
    assert len(got) == CLIENTS * 3
    assert not outcome.failures


def test_what_waits_for_a_client_counts_its_wait() -> None:
    """Three requests one after the other on each client, all due at once: the last has waited for two."""
    outcome, _ = sent(lambda _count: GOOD, count=CLIENTS * 3, pause=0.05)
    latencies = sorted(outcome.window(0).latencies)
    assert latencies[-1] >= 0.15
    assert max(outcome.late) >= 0.1


DOCUMENT = {
    "items": [
        {
            "kind": "HorizontalPodAutoscaler",
            "status": {
                "desiredReplicas": 3,
                "currentMetrics": [{"type": "Resource", "resource": {"current": {"averageValue": "120m"}}}],
            },
        },
        {"kind": "Deployment", "status": {"readyReplicas": 2}},
    ]
}


def test_the_autoscalers_word_is_read() -> None:
    """Before it knows anything, too."""
    assert read(DOCUMENT, 5.0, 0.5) == Look(at=5.0, desired=3, ready=2, millicores=120, machine_busy=0.5)
    for status in ({}, {"currentMetrics": [{"type": ""}]}):
        nothing = {
            "items": [{"kind": "HorizontalPodAutoscaler", "status": status}, {"kind": "Deployment", "status": {}}]
        }
        assert read(nothing, 0.0, 0.0) == Look(at=0.0, desired=0, ready=0, millicores=None, machine_busy=0.0)


def run(*, ready_late: float = 0.0, slow_at: int | None = None, failed: int = 0) -> dict[str, Any]:
    """A run of two requests a window; a pod more from 25 s on, and one less from 160 s on."""
    outcome = Outcome(window_seconds=5.0)
    outcome.late.append(0.001)
    for index in range(36):
        outcome.windows.append(Window(array("d", [0.002, 0.4 if index == slow_at else 0.004])))
    if failed:
        outcome.windows[0].failed = failed
        outcome.failures["status 503"] = failed
    looks = [
        Look(
            at=float(at),
            desired=1,
            ready=2 if 25 + ready_late <= at < 160 else 1,
            millicores=None,
            machine_busy=0.5,
        )
        for at in range(0, 180, 5)
    ]
    # 0.1 cores at 100 requests a second: a millisecond each, so that a pod at its target carries 55 with the tolerance.
    kept = {"cpu_cores": [(float(at), 0.1) for at in range(0, 180, 15)], "log_record_bytes": [(90.0, 50.0)]}
    lines = report.windows(outcome, SHAPE)
    found = report.summary(shape=SHAPE, setting=SETTING, outcome=outcome, lines=lines, looks=looks, remembered=kept)
    machine = {"cores": 2, "cpu": "a", "kernel": "6", "python": "3", "load_average_at_start": 0.1}
    return {
        "run": {"date": "d", "commit": "c", "command": "make ramp", "machine": machine},
        "shape": vars(SHAPE),
        "setting": vars(SETTING),
        "summary": found,
        "details": {"windows": lines, "looks": [_plain(look) for look in looks], "prometheus": kept},
    }


def _plain(look: Look) -> dict[str, Any]:
    return {"at": look.at, "desired": look.desired, "ready": look.ready}


def missed(found: dict[str, Any]) -> list[str]:
    """The claims that do not hold."""
    return [one.claim for one in report.verdicts(found["summary"], SETTING) if not one.met]


def test_a_run_in_which_all_went_well_shows_it() -> None:
    """A pod is wanted when the load passes what the ones before carry."""
    found = run()
    assert missed(found) == []
    (reaction,) = found["summary"]["reactions"]
    assert reaction == {"pods": 2, "wanted_at": 20.0, "ready_at": 25.0, "seconds": 5.0}
    assert found["summary"]["cpu_us"] == 1000
    assert found["summary"]["back_after_seconds"] == 10


@pytest.mark.parametrize(
    ("changes", "claims"),
    [
        ({"failed": 1}, ["requests that failed"]),
        ({"slow_at": 10}, ["answers within 100 ms, of all", "seconds with a p99 beyond it, no pod being missing"]),
        ({"slow_at": 4}, ["answers within 100 ms, of all"]),
        ({"ready_late": 500}, ["pods, where the load asked for them"]),
    ],
    ids=["a failure", "slow while all pods are there", "slow while one is missing", "no pod comes"],
)
def test_what_went_wrong_is_told(changes: dict[str, Any], claims: list[str]) -> None:
    """Each by its own claim; a slow window is stated apart while a pod is missing."""
    assert missed(run(**changes)) == claims


def test_the_page_says_when_where_and_how_long_a_pod_was_missing() -> None:
    """A number without its machine and its date is none."""
    text = report.markdown(run())
    assert "d, commit c, `make ramp`." in text
    assert "2 cores, a, Linux 6; load average at the start 0.1." in text
    assert "| 2 | 20 s | 25 s | 5 s |" in text


def test_the_plot_is_drawn_and_the_same_each_time(tmp_path: Path) -> None:
    """So that only another run changes it."""
    found = run()
    drawn = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for target in drawn:
        plot.draw(found, found["details"], target)
    assert drawn[0].read_bytes() == drawn[1].read_bytes()


def test_the_page_is_the_one_of_the_numbers_that_are_kept() -> None:
    """Whoever changes either runs `make ramp`."""
    numbers = json.loads((REPOSITORY / "benchmarks/ramp/results.json").read_text(encoding="utf-8"))
    assert report.markdown(numbers) == (REPOSITORY / "docs/benchmarks/ramp.md").read_text(encoding="utf-8")
