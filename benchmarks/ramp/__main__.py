"""Ramps the load on the local stack: `make ramp`."""

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import uvloop

from benchmarks.ramp import plot, report
from benchmarks.ramp.bodies import bodies
from benchmarks.ramp.load import Outcome, first_in_line, send
from benchmarks.ramp.report import Setting
from benchmarks.ramp.shape import Shape
from benchmarks.ramp.watch import Look, remembered, watch
from benchmarks.serving import environments, machine
from toolchain import stack
from toolchain.demo.rows import MODEL
from toolchain.errors import ToolchainError
from toolchain.install import install
from toolchain.paths import REPOSITORY
from toolchain.progress import console, duration, step

_NUMBERS: Final = Path(__file__).parent
_PAGE: Final = REPOSITORY / "docs" / "benchmarks"
_TRIED: Final = REPOSITORY / "build" / "ramp"
_WINDOW_SECONDS: Final = 5.0

_BASE_PER_SECOND: Final = 200.0
"""Ten times as much takes a third of a core of the pods, and twice that of the generator, the relay and the kernel."""

_SETTING: Final = Setting(model=MODEL, min_replicas=1, max_replicas=6, cpu_limit_millicores=500, target_cpu_percent=25)
"""An eighth of a core a pod: a few of them fit two cores, and one does for the base, where each pod that is left takes
10 to 20 thousandths of a core for itself. With room above it: a pod that writes its log takes tens of milliseconds at
once, and one that starts takes seconds."""


def _configured(chosen: stack.Target, setting: Setting) -> stack.Target:
    """The same stack with this setting on top of its configuration."""
    scoring = {
        "min_replicas": setting.min_replicas,
        "max_replicas": setting.max_replicas,
        "target_cpu_percent": setting.target_cpu_percent,
        "resources": {"cpu_limit_millicores": setting.cpu_limit_millicores},
    }
    # Each of its chunks would be full within a second, and their evaluation takes a core.
    settings = {"realtime-ml:scoring": scoring, "realtime-ml:drift": {"enabled": False}}
    return replace(chosen, settings=chosen.settings | settings)


async def _play(outputs: dict[str, Any], shape: Shape, name: str, asked: Sequence[bytes]) -> tuple[Outcome, list[Look]]:
    """Sends the load and watches the pods at the same time."""
    outcome, begun = Outcome(_WINDOW_SECONDS), time.monotonic()
    kubectl = install(["kubectl"])["kubectl"]
    watching = asyncio.create_task(watch(kubectl, Path(outputs["kubeconfig"]), name, begun, shape.seconds))
    gc.disable()  # hundreds of thousands of latencies: a collection among them would be the largest
    try:
        with first_in_line():
            await send(f"{outputs['scoring_url']}/v1/predict", asked, shape.due(), outcome)
    finally:
        gc.enable()
    return outcome, await watching


@contextmanager
def running(setting: Setting) -> Iterator[dict[str, Any]]:
    """Has the stack as the run wants it, gives its outputs, and leaves it as it was configured.

    Raises:
        ToolchainError: it does not come up.
    """
    chosen = stack.target(start=True)
    stack.up(_configured(chosen, setting))
    try:
        yield stack.outputs(chosen)
    finally:
        stack.up(chosen)


def ramp(
    outputs: dict[str, Any], shape: Shape, setting: Setting, folder: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ramps the load; gives results.json's content and that of details.json, which it writes into a folder at once.

    Raises:
        httpx.HTTPError: Prometheus does not answer.
        ValueError: it kept nothing of the run.
    """
    asked = bodies()
    run = {"commit": environments.commit(), "machine": machine.describe()}
    with step(f"a load from {shape.base_per_second:.0f} a second, times {shape.factor:g}, and back", shape.seconds):
        began = datetime.now(UTC)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            outcome, looks = runner.run(_play(outputs, shape, f"scoring-{setting.model}", asked))
    kept = remembered(str(outputs["prometheus_url"]), setting.model, began.timestamp(), shape.seconds)
    lines = report.windows(outcome, shape)
    details = {"windows": lines, "looks": [asdict(look) for look in looks], "prometheus": kept}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "details.json").write_text(_lines(details), encoding="utf-8")
    found = report.summary(shape=shape, setting=setting, outcome=outcome, lines=lines, looks=looks, remembered=kept)
    run |= {"date": began.strftime("%Y-%m-%d %H:%M UTC"), "command": " ".join(["make ramp", *sys.argv[1:]])}
    return {"run": run, "shape": asdict(shape), "setting": asdict(setting), "summary": found}, details


def _write(results: dict[str, Any], details: dict[str, Any], numbers: Path, page: Path) -> str:
    """Writes the numbers into one folder, the page and its plot into another; gives the page."""
    (numbers / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = report.markdown(results)
    page.mkdir(parents=True, exist_ok=True)
    (page / "ramp.md").write_text(text, encoding="utf-8")
    plot.draw(results, details, page / "ramp.svg")
    return text


def _lines(details: dict[str, Any]) -> str:
    """JSON with a line for each window and each look, so that two runs can be compared."""
    parts = []
    for name, entries in details.items():
        if isinstance(entries, list):
            inner = ",\n".join(json.dumps(entry) for entry in entries)
            parts.append(f'"{name}": [\n{inner}\n]')
        else:
            parts.append(f'"{name}": {json.dumps(entries)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> int:
    """Ramps, and writes results.json, details.json, and the page with its plot; 1 where a claim does not hold."""
    parser = argparse.ArgumentParser(prog="make ramp", description="Ramps the load on the local stack.")
    parser.add_argument("--base", type=float, help="requests a second; all that is written then goes to build/ramp/")
    parser.add_argument("--hold", type=float, help="seconds at the top; likewise")
    parser.add_argument("--rest", type=float, help="seconds at the base afterwards; likewise")
    given = parser.parse_args()
    chosen = {"hold_seconds": given.hold, "rest_seconds": given.rest}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    shape = Shape(base_per_second=given.base or _BASE_PER_SECOND, **chosen)
    tried = bool(given.base or chosen)
    console.print(f"[bold]Load ramp[/bold]: {duration(shape.seconds)} on 127.0.0.1")
    numbers, page = (_TRIED, _TRIED) if tried else (_NUMBERS, _PAGE)
    try:
        with running(_SETTING) as outputs:
            results, details = ramp(outputs, shape, _SETTING, numbers)
            print(_write(results, details, numbers, page))  # noqa: T201 - its answer
    except (ToolchainError, machine.BenchmarkError, httpx.HTTPError, ValueError) as error:
        console.print(f"[red]x[/red] {error}", markup=True)
        return 1
    return 0 if all(one.met for one in report.verdicts(results["summary"], _SETTING)) else 1


if __name__ == "__main__":
    sys.exit(main())
