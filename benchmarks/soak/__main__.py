"""Soaks the local stack: `make soak`."""

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import uvloop
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore

from benchmarks.ramp.bodies import bodies
from benchmarks.ramp.load import Outcome, first_in_line, send
from benchmarks.serving import environments, machine
from benchmarks.soak import report, watch
from benchmarks.soak.capacity import Capacity, NoCapacityError, measure
from benchmarks.soak.changes import Changes
from benchmarks.soak.plan import Plan
from benchmarks.soak.report import Facts
from toolchain import inside, stack
from toolchain.demo.rows import MODEL
from toolchain.errors import ToolchainError
from toolchain.progress import console, duration, step
from toolchain.reference.reliability import SOAK

_WINDOW_SECONDS: Final = 5.0
_LOG_PATIENCE_SECONDS: Final = 90.0

_EVALUATIONS: Final = "changes(drift_last_evaluation_timestamp_seconds{{model}}[{window}])"
_DROPPED: Final = 'sum(increase(scoring_log_records_total{{model}, outcome="dropped"}[{window}]))'
_SLOW: Final = "max_over_time(model:scoring_slow:ratio_rate5m{{model}}[{settled}])"


@contextmanager
def steady_pods(chosen: stack.Target) -> Iterator[None]:
    """Keeps the autoscaler at its fewest pods: more of them do not give two cores more, and would come and go."""
    scaler = f"hpa/scoring-{MODEL}"
    before = json.loads(inside.ask(chosen, "get", scaler, "--output=json"))["spec"]

    def most(pods: int) -> None:
        inside.ask(chosen, "patch", scaler, "--type=merge", f"--patch={json.dumps({'spec': {'maxReplicas': pods}})}")

    most(before["minReplicas"])
    try:
        inside.ask(chosen, "rollout", "status", f"deployment/scoring-{MODEL}", "--timeout=100s")
        yield
    finally:
        most(before["maxReplicas"])


async def _play(url: str, plan: Plan, asked: Sequence[bytes], changes: Changes) -> Outcome:
    """Sends the load and changes the stack at the same time."""
    outcome = Outcome(_WINDOW_SECONDS)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(changes.play(plan))
        tasks.create_task(send(url, asked, plan.due(), outcome))
    return outcome


def soak(chosen: stack.Target, seconds: float, share: float) -> dict[str, Any]:
    """Soaks the running stack.

    Args:
        chosen: the cluster.
        seconds: how long.
        share: of its capacity, which is measured first.

    Raises:
        ToolchainError: the stack is not up, or does not do what it is told.
        NoCapacityError: the machine is too busy.
    """
    outputs = stack.outputs(chosen)
    stores = {name: _store(chosen, outputs, name) for name in ("models", "predictions")}
    changes = Changes(chosen, outputs, ModelRegistry(stores["models"], MODEL))
    url = f"{outputs['scoring_url']}/v1/predict"
    asked = bodies()
    run = {"machine": machine.describe(), "commit": environments.commit(), "minutes": seconds / 60, "share": share}
    gc.freeze()
    with steady_pods(chosen), first_in_line(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        capacity: Capacity = runner.run(measure(url, asked))
        plan = Plan(seconds=seconds, per_second=round(capacity.held_per_second * share, 1))
        began = datetime.now(UTC)
        with step(f"{plan.per_second:.0f} requests a second for {duration(seconds)}", seconds):
            outcome = runner.run(_play(url, plan, asked, changes))
    facts = _facts(outputs, plan, began, changes, watch_log(stores["predictions"], began, outcome))
    run |= {"date": began.strftime("%Y-%m-%d %H:%M UTC"), "capacity": asdict(capacity)}
    found = run | report.summary(plan, outcome, facts)
    return found | {"verdicts": [asdict(one) for one in report.verdicts(found, plan)]}


def _store(chosen: stack.Target, outputs: dict[str, object], name: str) -> ObjectStore:
    return ObjectStore(inside.bucket(chosen, str(outputs["object_store_url"]), name, MODEL))


def watch_log(store: ObjectStore, began: datetime, outcome: Outcome) -> watch.Logged:
    """What the log holds, once it holds all that was acknowledged or time is over."""
    wanted = sum(len(window.latencies) for window in outcome.windows)
    deadline = time.monotonic() + _LOG_PATIENCE_SECONDS
    logged = watch.Logged(rows=0, distinct=0)
    with step("counting the prediction log", 20):
        while True:
            with suppress(FileNotFoundError):
                logged = watch.logged(store, MODEL, began)
            if logged.distinct >= wanted or time.monotonic() > deadline:
                return logged
            time.sleep(3)


def _facts(outputs: dict[str, object], plan: Plan, began: datetime, changes: Changes, logged: watch.Logged) -> Facts:
    kept = watch.Prometheus(str(outputs["prometheus_url"]), MODEL, began.timestamp(), plan.seconds)
    memory, handles = (kept.processes(f"process_{name}") for name in ("resident_memory_bytes", "open_fds"))
    return Facts(
        rollout=changes.rollout,
        swaps=changes.swapped,
        evaluations=round(kept.number(_EVALUATIONS)),
        dropped=kept.number(_DROPPED),
        slow_share=round(kept.number(_SLOW, otherwise=1.0), 5),  # nothing known is nothing good
        logged=logged,
        growth=report.growth(plan, memory, handles),
    )


def _keep(found: dict[str, Any]) -> None:
    """Beside the runs of other lengths and shares; one like it is replaced."""
    SOAK.parent.mkdir(exist_ok=True)
    known = json.loads(SOAK.read_text(encoding="utf-8")) if SOAK.is_file() else []
    others = [one for one in known if (one["minutes"], one["share"]) != (found["minutes"], found["share"])]
    SOAK.write_text(json.dumps([*others, found], indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Soaks, and adds the figures to build/soak.json; 1 where a claim does not hold."""
    parser = argparse.ArgumentParser(prog="make soak", description="Soaks the running local stack.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--share", type=float, default=0.5, help="of the capacity, which is measured first")
    given = parser.parse_args()
    try:
        found = soak(stack.target(start=True), given.minutes * 60, given.share)
    except (ToolchainError, NoCapacityError, machine.BenchmarkError, httpx.HTTPError) as error:
        console.print(f"[red]x[/red] {error}", markup=True)
        return 1
    _keep(found)
    print(json.dumps(found, indent=1))  # noqa: T201 - its answer
    return 0 if all(one["met"] for one in found["verdicts"]) else 1


if __name__ == "__main__":
    sys.exit(main())
