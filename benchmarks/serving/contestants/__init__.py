"""Who is measured: each is a module of this package that serves the model file on a port of 127.0.0.1.

A module is run as `python -m benchmarks.serving.contestants.<module>` in an environment of its own, and is told by
variables what to serve: BENCH_MODEL_FILE, BENCH_PORT, BENCH_FOLDER (an empty folder for whatever it writes). The
service is told by its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from benchmarks.serving.dialects import ROWS_DIALECT, V2_DIALECT, Dialect


@dataclass(frozen=True)
class Contestant:
    """One line of the tables.

    Attributes:
        name: its key in results.json.
        title: what the tables call it.
        module: its module in this package.
        packages: the packages of its environment that name its version.
        environment: the requirements file that its environment is made from, without the ending.
        dialect: how it is asked.
        variables: further environment variables.
    """

    name: str
    title: str
    module: str
    packages: tuple[str, ...]
    environment: str
    dialect: Dialect = ROWS_DIALECT
    variables: Mapping[str, str] = field(default_factory=dict)


BARE_ASGI: Final = Contestant("bare_asgi", "bare ASGI application", "bare_asgi", ("uvicorn",), "scoring")
C_CALL: Final = Contestant("c_call", "C call alone", "c_call", ("lightgbm",), "scoring")


def _scoring(mode: str, title: str) -> Contestant:
    return Contestant(f"scoring_log_{mode}", title, "scoring", (), "scoring", variables={"SCORING_LOG_MODE": mode})


SCORING: Final = tuple(
    _scoring(mode, title)
    for mode, title in (
        ("off", "scoring, no prediction log"),
        ("async", "scoring, log behind the answer"),
        ("sync", "scoring, log on disk before the answer"),
    )
)
COMPETITORS: Final = (
    Contestant("fastapi", "FastAPI, pydantic body", "fastapi", ("fastapi",), "fastapi"),
    Contestant("mlserver", "MLServer", "mlserver", ("mlserver",), "mlserver", V2_DIALECT),
    Contestant("bentoml", "BentoML", "bentoml", ("bentoml",), "bentoml"),
    Contestant("litserve", "LitServe", "litserve", ("litserve",), "litserve"),
    Contestant(
        "rayserve", "Ray Serve", "rayserve", ("ray",), "rayserve", variables={"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
    ),
)
CONTESTANTS: Final = {contestant.name: contestant for contestant in (BARE_ASGI, C_CALL, *SCORING, *COMPETITORS)}
