"""Which HTTP server is the fastest under a bare echo: `python -m benchmarks.serving.servers [--seconds 3 --rounds 3]`.

Each variant is one process on one core; they take turns, and the table gives the median of the rounds beside the first
variant, which is what the service runs on. The processor time of a request decides: unlike the rate it hardly depends
on what else the machine does.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.serving import machine, workload
from benchmarks.serving.dialects import ROWS_DIALECT
from benchmarks.serving.environments import BUILD
from benchmarks.serving.load import Sample, generate
from benchmarks.serving.processes import all_ended, free_port, running
from toolchain.install import install
from toolchain.progress import step

_APP: Final = "benchmarks.serving.echo:app"
_UVICORN: Final = ("-m", "uvicorn", _APP, "--no-access-log", "--log-level", "warning", "--ws", "none")
_GRANIAN: Final = ("-m", "granian", _APP, "--interface", "asginl", "--workers", "1", "--no-access-log", "--http", "1")
_GRANIAN_PINS: Final = ("granian==2.8.7", "uvloop==0.22.1")


@dataclass(frozen=True)
class Variant:
    """A server, its versions and its settings."""

    pins: tuple[str, ...]
    arguments: tuple[str, ...]

    @property
    def title(self) -> str:
        """The pins, and the settings that differ."""
        common = {*_UVICORN, *_GRANIAN}
        return " ".join((*self.pins, *(word for word in self.arguments if word not in common))).replace("==", " ")


def _uvicorn(uvicorn: str = "0.54.0", uvloop: str = "0.22.1", httptools: str = "0.9.0", *settings: str) -> Variant:
    pins = (f"uvicorn=={uvicorn}", f"uvloop=={uvloop}", f"httptools=={httptools}")
    return Variant(pins, (*_UVICORN, *(settings or ("--no-server-header",))))


VARIANTS: Final = (
    _uvicorn(),
    _uvicorn(uvloop="0.21.0"),
    _uvicorn(uvloop="0.23.0"),
    _uvicorn(uvicorn="0.44.0"),
    _uvicorn(uvicorn="0.34.0"),
    _uvicorn(httptools="0.6.4"),
    _uvicorn("0.54.0", "0.22.1", "0.9.0", "--no-server-header", "--no-date-header"),
    _uvicorn("0.54.0", "0.22.1", "0.9.0", "--no-server-header", "--loop", "asyncio"),
    _uvicorn("0.54.0", "0.22.1", "0.9.0", "--no-server-header", "--http", "h11"),
    Variant(_GRANIAN_PINS, (*_GRANIAN, "--loop", "uvloop", "--runtime-mode", "st")),
    Variant(_GRANIAN_PINS, (*_GRANIAN, "--loop", "uvloop", "--runtime-mode", "mt")),
    Variant(_GRANIAN_PINS, (*_GRANIAN, "--loop", "asyncio", "--runtime-mode", "st")),
)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.serving.servers")
    parser.add_argument("--seconds", type=int, default=3, help="for each variant and round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    cores = machine.choose_cores()
    os.sched_setaffinity(0, {cores.generator})
    wrk = install(["wrk"])["wrk"]
    rows = workload.bodies_of(workload.make_matrix(), 1, workload.SINGLE_ROWS)
    bodies = [ROWS_DIALECT.encode(workload.FEATURES, body) for body in rows]
    file = BUILD / "echo.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    workload.write_bodies(file, bodies)
    samples: dict[Variant, list[Sample]] = {variant: [] for variant in VARIANTS}
    with all_ended():
        for turn in range(1, arguments.rounds + 1):
            for variant in VARIANTS:
                with step(f"round {turn} of {arguments.rounds}: {variant.title}", arguments.seconds + 3):
                    samples[variant].append(_measure(variant, cores, wrk, file, bodies[0], arguments.seconds))
    costs = {variant: median(sample.cpu_us for sample in found) for variant, found in samples.items()}
    lines = [
        "| server | CPU us a request | times the first | requests/s | p99 ms |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for variant, cost in sorted(costs.items(), key=lambda item: item[1]):
        rate = median(sample.requests_per_second for sample in samples[variant])
        p99_ms = median(sample.p99_ms for sample in samples[variant])
        times = cost / costs[VARIANTS[0]]
        lines.append(f"| {variant.title} | {cost:.1f} | {times:.2f} | {rate:,.0f} | {p99_ms:.3g} |")
    print("\n".join(lines))  # noqa: T201 - a command's answer


def _measure(variant: Variant, cores: machine.Cores, wrk: Path, file: Path, body: bytes, seconds: int) -> Sample:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    # uv makes the environment once and keeps it in its cache.
    command = [str(Path(sys.executable).with_name("uv")), "run", "--quiet", "--no-project", "--isolated"]
    command += ["--python", sys.executable, *(word for pin in variant.pins for word in ("--with", pin)), "python"]
    command += [*variant.arguments, "--host", "127.0.0.1", "--port", str(port)]
    if "uvicorn" in variant.arguments:
        command += [] if "--loop" in variant.arguments else ["--loop", "uvloop"]
        command += [] if "--http" in variant.arguments else ["--http", "httptools"]
    with running("echo", command, os.environ, cores.server, (url, body)):
        generate(wrk, cores.generator, url, file, 1)
        return generate(wrk, cores.generator, url, file, seconds)


if __name__ == "__main__":
    main()
