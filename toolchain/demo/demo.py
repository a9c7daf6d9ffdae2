"""`make demo`: the loop from drift to a better champion, on the local stack, shown while it happens."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import httpx
import lightgbm as lgb
import numpy as np
import obstore
from lifecycle.manifest import MODEL_FILE_NAME, Manifest
from obstore.store import S3Store
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from toolchain import inside, retraining, stack
from toolchain.demo import traffic
from toolchain.demo.comparison import Comparison, compare
from toolchain.demo.rows import DRIFT_BEGINS, MODEL, POSITIVE, Row, rows
from toolchain.demo.sight import ESTIMATED, REALIZED, Sight, is_low, news
from toolchain.demo.story import Event, Story
from toolchain.demo.watch import Watch
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY
from toolchain.progress import console

FOLDER: Final = REPOSITORY / "build" / "demo"

_ROWS_PER_SECOND: Final = 60.0
"""A chunk of 1,000 rows in 17 s, and drifted rows enough for seven minutes."""

_LABEL_DELAY_SECONDS: Final = 90.0
"""Longer than it takes to estimate two chunks: 17 s to fill each, 20 s of grace, 15 s to the next evaluation."""

_CALM_CHUNKS: Final = 3
_LATER_ROWS: Final = 6000
"""Answered by the new champion, with their truth: enough for the interval to leave zero out."""

_LOOK_SECONDS: Final = 3.0
_LIMIT_SECONDS: Final = 660.0
_CALM_ROWS: Final = 15_000

_STAGES: Final = {
    "calm": "traffic as in training",
    "drift": "cars are worth two thirds more; no truth is known yet",
    "alert": "the alert fires, a challenger is trained and judged",
    "swap": "the challenger is champion, every replica swaps",
    "recovery": "the truth about the new champion's answers comes in",
}


def demo(chosen: stack.Target) -> None:
    """Bring the stack up and show the whole loop on it.

    Raises:
        ToolchainError: a stage did not come in time, or a request was lost.
    """
    stack.up(chosen)
    known = rows()
    outputs = stack.outputs(chosen)
    _begin_anew(chosen, outputs)
    run = Run(Watch(MODEL, outputs, retraining.token(chosen)), known)
    try:
        with _progress() as progress:
            run.show = lambda stage, part: progress.update(bar, description=stage, completed=part)
            bar = progress.add_task("", total=1)
            asyncio.run(run.play())
        run.story.comparison = _worth(run, inside.bucket(chosen, str(outputs["object_store_url"]), "models", MODEL))
    finally:
        page = run.story.write(FOLDER)
        console.print(f"\nthe story  {page}\nfigures    {page.with_suffix('.json')}")
    if run.outcome.failures:
        raise ToolchainError(
            "the demo's traffic",
            f"{len(run.outcome.failures)} of {run.sent} requests failed, the first with {run.outcome.failures[0]}",
            "see the log of the scoring pods: `kubectl --namespace=ml logs deployment/scoring-car-loan`",
        )
    _tell(run, outputs)


_NOTHING: Final = Sight()
"""Before the first look, which finds what there was before."""


@dataclass
class Run:
    """One run of the loop.

    Attributes:
        watch: looks at the stack.
        known: the rows to send.
        show: told the stage and how far it is, 0 to 1.
    """

    watch: Watch
    known: list[Row]
    show: Callable[[str, float], None] = lambda _stage, _part: None
    story: Story = field(init=False)
    outcome: traffic.Outcome = field(default_factory=traffic.Outcome)
    _sight: Sight = _NOTHING
    _drifting: bool = False
    _ended: bool = False
    _told: int = 0
    _begun: float = 0.0
    _stage: str = ""

    def __post_init__(self) -> None:
        """The story begins with the traffic."""
        self.story = Story(MODEL, datetime.now(UTC), _ROWS_PER_SECOND)

    @property
    def sent(self) -> int:
        """Requests that were answered or failed."""
        return len(self.outcome.answers) + len(self.outcome.failures)

    async def play(self) -> None:
        """Sends traffic until the loop is closed.

        Raises:
            ToolchainError: it is not closed in time.
        """
        self._begun, self.story.began_at = time.monotonic(), datetime.now(UTC)
        url = str(self.watch.outputs["scoring_url"])
        sending = asyncio.create_task(
            traffic.send(url, self._rows(), per_second=_ROWS_PER_SECOND, outcome=self.outcome)
        )
        telling = asyncio.create_task(self._tell_truth(url))
        try:
            async with asyncio.timeout(_LIMIT_SECONDS), httpx.AsyncClient(timeout=20) as client:
                await self._follow(client)
        except TimeoutError:
            raise ToolchainError(
                "the demo",
                f"after {_LIMIT_SECONDS:.0f} s it was still in this stage: {self._stage}",
                "see the story's events, `make outputs`, and the runs at `retraining_url`",
            ) from None
        finally:
            self._ended = True
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
            await sending
            self.story.requests = {"answered": len(self.outcome.answers), "failed": len(self.outcome.failures)}

    async def _follow(self, client: httpx.AsyncClient) -> None:
        self._stage = _STAGES["calm"]
        self._happened("traffic", f"{_ROWS_PER_SECOND:.0f} requests a second of rows like those in training")
        await self._until(client, "calm", self._calm_chunks, _CALM_CHUNKS)
        first, known = self._sight.champion or 0, self._sight.known_runs
        self._drifting, drifted_from = True, len(self.outcome.answers)
        self._happened("traffic", "cars are worth two thirds more from here on")
        await self._until(client, "drift", lambda: int(self._estimate_is_low()), 1)
        if self._told <= drifted_from:
            self._happened("estimated", "not one drifted row's truth has been told so far")
        await self._until(client, "alert", lambda: int(self._sight.promoted(known) is not None), 1)
        version = self._sight.promoted(known) or 0
        await self._until(client, "swap", lambda: int(self._sight.serves(version)), 1)
        await self._until(client, "recovery", lambda: len(self.later(version)), _LATER_ROWS)
        await self._until(client, "recovery", lambda: self._realized_chunks(version), 1)
        self.story.versions = (first, version)

    async def _until(self, client: httpx.AsyncClient, stage: str, count: Callable[[], int], wanted: int) -> None:
        """Looks until enough of something is seen."""
        self._stage = _STAGES[stage]
        while True:
            try:
                now = await self.watch.look(client)
            except httpx.HTTPError:
                now = self._sight  # a part was busy; the next look will tell
            for kind, text in news(self._sight, now) if self._sight is not _NOTHING else ():
                self._happened(kind, text)
            self._sight = now
            self.story.keep(now.champion, now.measures)
            found = count()
            self.show(f"{self._stage} [dim]({self.sent} requests)[/dim]", min(found / wanted, 1.0))
            if found >= wanted:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _calm_chunks(self) -> int:
        """Chunks of this run that look as they should, if the newest does and nothing is alarmed."""
        chunks = [
            each
            for each in self._sight.of(ESTIMATED)
            if datetime.fromisoformat(each["start"]) >= self.story.began_at and not is_low(each)
        ]
        calm = not self._sight.alerts & _TRIGGERS and not self._estimate_is_low()
        return len(chunks) if calm and self._sight.serves(self._sight.champion or 0) else 0

    def _estimate_is_low(self) -> bool:
        chunks = self._sight.of(ESTIMATED)
        return bool(chunks) and is_low(chunks[-1])

    def later(self, version: int) -> list[traffic.Answer]:
        """What a version answered, as far as the truth about it has been told."""
        return [answer for answer in self.outcome.answers[: self._told] if answer.version == version]

    def _realized_chunks(self, version: int) -> int:
        """Chunks that the new champion answered alone, whose truth is known and which are as good as its reference."""
        if self._sight.champion != version:
            return 0
        return len([each for each in self._sight.of(REALIZED) if not is_low(each)])

    def _rows(self) -> Iterator[Row]:
        """Old rows until drift is to begin, and new ones from then on."""
        for row in self.known[DRIFT_BEGINS - _CALM_ROWS : DRIFT_BEGINS]:
            if self._drifting or self._ended:
                break
            yield row
        for row in self.known[DRIFT_BEGINS:]:
            if self._ended:
                return
            yield row

    async def _tell_truth(self, url: str) -> None:
        """Tells the truth about each answer a while after it was given."""
        while True:
            await asyncio.sleep(1)
            answers = self.outcome.answers
            due = self._told
            while due < len(answers) and answers[due].at <= time.monotonic() - _LABEL_DELAY_SECONDS:
                due += 1
            await traffic.tell(url, answers[self._told : due])
            self._told = due

    def _happened(self, kind: str, text: str) -> None:
        seconds = time.monotonic() - self._begun
        self.story.events.append(Event(round(seconds, 1), kind, text))
        console.print(f"[bold]{int(seconds) // 60:3}:{int(seconds) % 60:02}[/bold]  {kind:<11}", end="")
        console.print(text, markup=False)


_TRIGGERS: Final = frozenset({"FeatureDriftDetected", "EstimatedPerformanceLow", "RealizedPerformanceLow"})


def _begin_anew(chosen: stack.Target, outputs: dict[str, object]) -> None:
    """An earlier demo has left a champion that knows the drifted rows, and the rows with their truth in the log."""
    versions = json.loads(_registry(chosen, "list", "--json"))
    if next(version["version"] for version in versions if version["champion"]) != 1:
        _registry(chosen, "rollback", "1", "--actor=demo", "--reason=a demo begins with the first version")
        console.print("version 1 is champion again, as before the last demo")
    # Otherwise the challenger would learn from the very rows that it is judged by in the end.
    log = inside.bucket(chosen, str(outputs["object_store_url"]), "predictions", MODEL)
    for folder in ("predictions", "labels"):
        found = [entry["path"] for page in obstore.list(log, f"{MODEL}/{folder}") for entry in page]
        if found:
            obstore.delete(log, found)
            console.print(f"emptied the log of {MODEL}: {len(found)} objects of {folder}")


def _worth(run: Run, models: S3Store) -> Comparison | None:
    """The former champion asked about the rows that the new one answered."""
    if run.story.versions is None:
        return None
    former, new = run.story.versions
    answers = run.later(new)
    folder = f"{MODEL}/versions/{former:08d}"
    manifest = Manifest.from_json(bytes(models.get(f"{folder}/manifest.json").bytes()))
    booster = lgb.Booster(model_str=bytes(models.get(f"{folder}/{MODEL_FILE_NAME}").bytes()).decode())
    vectors = np.asarray([manifest.feature_schema.encode(answer.row.features) for answer in answers])
    return compare(
        np.asarray(booster.predict(vectors)),
        np.array([answer.probability for answer in answers]),
        np.array([float(answer.row.label == POSITIVE) for answer in answers]),
    )


# On a stack that was just put right: its object store takes 15 s from start to use on two cores.
@retry(retry=retry_if_exception_type(ToolchainError), wait=wait_fixed(3), stop=stop_after_delay(120), reraise=True)
def _registry(chosen: stack.Target, *arguments: str) -> str:
    """Asks the registry's command line, in a pod that may."""
    command = ("env", f"MODEL_NAME={MODEL}", "python3", "-m", "lifecycle", *arguments)
    return inside.ask(chosen, "exec", "deployment/retraining", "--", *command)


def _progress() -> Progress:
    columns = (BarColumn(bar_width=20), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def _tell(run: Run, outputs: dict[str, object]) -> None:
    comparison = run.story.comparison
    if comparison is not None:
        low, high = comparison.log_loss_gain
        console.print(
            f"\nlog loss on {comparison.rows} later rows: {comparison.log_loss[0]:.4f} of the former champion, "
            f"{comparison.log_loss[1]:.4f} of the new one (gain {low:+.4f} to {high:+.4f}); "
            f"{run.sent} requests, none lost"
        )
    console.print(
        "look further:\n"
        f"  drift       {outputs['drift_url']}/report/{MODEL}\n"
        f"  alerts      {outputs['alertmanager_url']}\n"
        f"  metrics     {outputs['prometheus_url']}\n"
        "  a run more  make retrain MODEL=car-loan"
    )
