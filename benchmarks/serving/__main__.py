"""`make bench-serving`. Exit status: 0 measured, 1 it could not be, 130 interrupted."""

import argparse
import json
import os
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import lightgbm as lgb
import numpy as np

from benchmarks.serving import environments, machine, report, workload
from benchmarks.serving.contestants import BARE_ASGI, C_CALL, CONTESTANTS, SCORING, Contestant
from benchmarks.serving.load import Sample, generate
from benchmarks.serving.machine import BenchmarkError
from benchmarks.serving.processes import all_ended, run_module, serving
from toolchain.errors import ToolchainError
from toolchain.install import install
from toolchain.paths import REPOSITORY
from toolchain.process import run
from toolchain.progress import console, duration, step

_NUMBERS: Final = REPOSITORY / "benchmarks" / "serving"
_PAGE: Final = REPOSITORY / "docs" / "benchmarks"
_WARM_UP_SECONDS: Final = 1
_CHECKED_BODIES: Final = 16
_START_SECONDS: Final = 6
"""What starting and ending a server takes in the mean; only the estimate of the time left knows it."""


class Benchmark:
    """One run: what is asked, with what, and what was found so far."""

    def __init__(self, contestants: list[Contestant], rounds: int, seconds: int) -> None:
        """Args: who is measured, how many times, and for how many seconds each time and size of body."""
        self._contestants, self._rounds, self._seconds = contestants, rounds, seconds
        self._cores = machine.choose_cores()
        os.sched_setaffinity(0, {self._cores.generator})
        self._wrk = install(["wrk"])["wrk"]
        self._folder = environments.BUILD / "workload"
        self._variables = self._make_workload()
        self._matrix = workload.make_matrix()
        booster = lgb.Booster(model_file=self._variables["BENCH_MODEL_FILE"])
        self._expected: list[float] = np.asarray(booster.predict(self._matrix, num_threads=1)).tolist()

    def run(self) -> dict[str, object]:
        """Measures everything and gives what details.json holds."""
        for environment in sorted({*(c.environment for c in self._contestants), "scoring", "plot"}):
            environments.make(environment)
        if BARE_ASGI in self._contestants:
            self._learn_answer_sizes()
        single: dict[str, list[Sample]] = {contestant.name: [] for contestant in self._contestants}
        batch: dict[str, list[Sample]] = {contestant.name: [] for contestant in self._contestants}
        work: list[dict[str, float]] = []
        started, done = time.monotonic(), 0
        for turn in range(1, self._rounds + 1):
            for contestant in self._contestants:
                left = duration(self._seconds_left(time.monotonic() - started, done))
                title = f"round {turn} of {self._rounds}: {contestant.name} (about {left} left of the whole run)"
                with step(title, _START_SECONDS + 2 * (self._seconds + _WARM_UP_SECONDS)):
                    one, many = self._measure_patiently(contestant)
                single[contestant.name].append(one)
                batch[contestant.name].append(many)
                done += 1
            if any(contestant in SCORING for contestant in self._contestants):
                work.append(self._measure_work())
        details: dict[str, object] = {
            contestant.name: report.summary(single[contestant.name]) | {"version": self._version(contestant)}
            for contestant in self._contestants
        }
        details["batch"] = {name: report.summary(samples) for name, samples in batch.items()}
        if work:
            details["work"] = {key: round(float(np.median([turn[key] for turn in work])), 2) for key in work[0]}
        details["rounds"] = {name: [asdict(sample) for sample in samples] for name, samples in single.items()}
        return details

    def _make_workload(self) -> dict[str, str]:
        """Trains and publishes the model as a user would; gives the variables that tell a contestant of it."""
        store = self._folder / "store"
        shutil.rmtree(store, ignore_errors=True)
        workload.write_training_inputs(self._folder)
        variables = {"MODEL_STORE_URL": f"file://{store}", "MODEL_NAME": workload.MODEL}
        folders = {
            "RETRAINING_MODELS_FOLDER": str(self._folder / "models"),
            "RETRAINING_DATA_FOLDER": str(self._folder / "data"),
            "PYTHONPATH": str(REPOSITORY / "services"),
        }
        store.mkdir(parents=True)
        with step("training the model", 10):
            log = environments.BUILD / "logs" / "training.log"
            run("training the model", [sys.executable, "-m", "retraining", "bootstrap"], log, env=variables | folders)
        matrix = workload.make_matrix()
        np.save(self._folder / "rows.npy", matrix)
        self._singles = workload.bodies_of(matrix, 1, workload.SINGLE_ROWS)
        self._batches = workload.bodies_of(matrix, workload.BATCH_ROWS, workload.BATCHES)
        for dialect in {contestant.dialect for contestant in CONTESTANTS.values()}:
            for name, rows in (("one", self._singles), ("many", self._batches)):
                bodies = [dialect.encode(workload.FEATURES, body) for body in rows]
                workload.write_bodies(self._bodies_file(dialect.path, name), bodies)
        scoring = SCORING[0].dialect.path
        return variables | {
            "BENCH_MODEL_FILE": str(next(store.glob("*/versions/*/model.txt"))),
            "BENCH_ROWS_FILE": str(self._folder / "rows.npy"),
            "BENCH_BODIES_FILE": str(self._bodies_file(scoring, "one")),
        }

    def _bodies_file(self, path: str, name: str) -> Path:
        return self._folder / f"{path.strip('/').replace('/', '_')}.{name}.jsonl"

    def _learn_answer_sizes(self) -> None:
        """Asks the service how long its answers are, for the bare application to give as many bytes."""
        service = SCORING[0]
        with step("asking the service for the size of its answers", _START_SECONDS):
            first = service.dialect.encode(workload.FEATURES, self._singles[0])
            with serving(service, self._cores.server, self._variables, first) as url:
                for rows in (self._singles[0], self._batches[0]):
                    answer = _ask(url, service.dialect.encode(workload.FEATURES, rows))
                    self._variables[f"BENCH_ANSWER_BYTES_{len(rows)}"] = str(len(answer))

    def _measure_patiently(self, contestant: Contestant) -> tuple[Sample, Sample]:
        """As `_measure`, but one mishap does not cost the minutes that were measured already."""
        try:
            return self._measure(contestant)
        except BenchmarkError as error:
            console.print(f"{contestant.name} is measured again: {error}", markup=False)
            return self._measure(contestant)

    def _measure(self, contestant: Contestant) -> tuple[Sample, Sample]:
        """One round of one contestant: with one row a request, and with many."""
        if contestant == C_CALL:
            return self._measure_c_call(1), self._measure_c_call(workload.BATCH_ROWS)
        dialect = contestant.dialect
        first = dialect.encode(workload.FEATURES, self._singles[0])
        with serving(contestant, self._cores.server, self._variables, first) as url:
            if contestant != BARE_ASGI:
                self._check(contestant, url)
            samples = []
            for name in ("one", "many"):
                bodies = self._bodies_file(dialect.path, name)
                with suppress(BenchmarkError):  # the slowest give no answer in a second
                    generate(self._wrk, self._cores.generator, url, bodies, _WARM_UP_SECONDS)
                samples.append(generate(self._wrk, self._cores.generator, url, bodies, self._seconds))
        return samples[0], samples[1]

    def _check(self, contestant: Contestant, url: str) -> None:
        """Compares answers with `Booster.predict`, digit for digit.

        Raises:
            BenchmarkError: one differs.
        """
        bodies = [*self._singles[:_CHECKED_BODIES], self._batches[0]]
        starts = [*range(_CHECKED_BODIES), 0]
        for start, rows in zip(starts, bodies, strict=True):
            found = contestant.dialect.decode(_ask(url, contestant.dialect.encode(workload.FEATURES, rows)))
            expected = self._expected[start : start + len(rows)]
            if found != expected:
                raise BenchmarkError(
                    f"{contestant.name} answers {found[:3]} to rows {start} to {start + len(rows) - 1}, "
                    f"Booster.predict gives {expected[:3]}"
                )

    def _measure_c_call(self, rows: int) -> Sample:
        arguments = ["--rows", str(rows), "--seconds", str(self._seconds)]
        module = f"benchmarks.serving.contestants.{C_CALL.module}"
        output = run_module(C_CALL.environment, module, arguments, self._cores.server, self._variables)
        return Sample(**json.loads(output))

    def _measure_work(self) -> dict[str, float]:
        with step("the work outside the HTTP server", 5):
            output = run_module("scoring", "benchmarks.serving.work", [], self._cores.server, self._variables)
        found: dict[str, float] = json.loads(output)
        return found

    def _version(self, contestant: Contestant) -> str:
        if contestant in SCORING:
            return environments.commit()
        return ", ".join(
            f"{package} {environments.installed_version(contestant.environment, package)}"
            for package in contestant.packages
        )

    def _seconds_left(self, elapsed: float, done: int) -> float:
        each = elapsed / done if done else _START_SECONDS + 2 * (self._seconds + _WARM_UP_SECONDS)
        return each * (self._rounds * len(self._contestants) - done)


def _ask(url: str, body: bytes) -> bytes:
    headers = {"content-type": "application/json"}
    return httpx.post(url, content=body, headers=headers, timeout=30, trust_env=False).raise_for_status().content


def _contestants(names: str) -> list[Contestant]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in CONTESTANTS]
    if unknown:
        raise BenchmarkError(f"ONLY names {', '.join(unknown)}; there are {', '.join(CONTESTANTS)}")
    return [contestant for name, contestant in CONTESTANTS.items() if not wanted or name in wanted]


def main() -> int:
    """Measures, and writes results.json, details.json, and the page with its plot."""
    parser = argparse.ArgumentParser(prog="make bench-serving", description="Measures servers of the same model.")
    parser.add_argument("--only", default="", help="names, with commas; everything then goes to build/bench/ instead")
    parser.add_argument("--seconds", type=int, default=7, help="for each contestant, round and size of body")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    console.print("[bold]Serving benchmark[/bold]: two cores, 127.0.0.1 only")
    try:
        contestants = _contestants(arguments.only)
        facts = machine.describe()
        with all_ended():
            details = Benchmark(contestants, arguments.rounds, arguments.seconds).run()
            details["run"] = {
                "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
                "commit": environments.commit(),
                "command": f"make bench-serving SECONDS={arguments.seconds} ROUNDS={arguments.rounds}"
                + (f" ONLY={arguments.only}" if arguments.only else ""),
                "machine": facts,
                "rounds": arguments.rounds,
                "seconds": arguments.seconds,
            }
            _write(details, *((environments.BUILD,) * 2 if arguments.only else (_NUMBERS, _PAGE)))
    except (BenchmarkError, ToolchainError) as error:
        console.print(f"[red]x[/red] {error}", markup=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; every process was ended")
        return 130
    return 0


def _write(details: dict[str, object], numbers: Path, page: Path) -> None:
    """Writes the numbers into one folder, the page and its plot into another."""
    page.mkdir(parents=True, exist_ok=True)
    (numbers / "details.json").write_text(_json(details), encoding="utf-8")
    results = numbers / "results.json"
    results.write_text(_json(report.results(details)), encoding="utf-8")
    text = report.markdown(details)
    (page / "serving.md").write_text(text, encoding="utf-8")
    plot: list[str | Path] = [environments.python_of("plot"), "-m", "benchmarks.serving.plot"]
    plot += [results, page / "serving.svg"]
    run("drawing the plot", plot, environments.BUILD / "logs" / "plot.log", cwd=REPOSITORY)
    print(text)  # noqa: T201 - a command's answer


def _json(document: dict[str, object]) -> str:
    return json.dumps(document, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
