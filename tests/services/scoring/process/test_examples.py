"""The examples of the README do what it says, each as its reader runs it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from tests.services.scoring.process.object_store import ObjectStoreServer
from tests.services.scoring.process.service import Service

StartService = Callable[..., Service]

ROOT: Final = Path(__file__).parents[4]
EXAMPLES: Final = re.findall(
    r"^```(sh|python)\n(.*?)^```", (ROOT / "services/scoring/README.md").read_text(), re.MULTILINE | re.DOTALL
)
COMMANDS: Final = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-W", "error", "-c"]}


def test_the_readme_has_examples() -> None:
    """Of both kinds; a fence that is written otherwise would not be run."""
    assert sorted(kind for kind, _ in EXAMPLES) == ["python", "python", "sh", "sh"]


@pytest.mark.parametrize(("kind", "example"), EXAMPLES)
def test_an_example_works(
    start: StartService, object_store: ObjectStoreServer, tmp_path: Path, kind: str, example: str
) -> None:
    """In the checkout, without an error or a warning, and the service answered every request of it with success."""
    service = start(
        **object_store.environment, SCORING_LOG_MODE="async", SCORING_LOG_FOLDER=str(tmp_path / "write-ahead")
    )
    service.wait_until("/ready", 200)
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "models/car_loan", folder / "models/car_loan")
    done = subprocess.run(
        [*COMMANDS[kind], example],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "services")}
        | {"URL": f"http://127.0.0.1:{service.port}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    answered = service.metric("scoring_request_duration_seconds_count", status="200")
    assert service.metric("scoring_requests_rejected_total") == 0
    assert answered >= 2
    assert service.metric("scoring_predictions_total") >= 1
