"""Asking the local stack for a retraining, and waiting for what comes of it."""

import base64
import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from toolchain import stack
from toolchain.errors import ToolchainError
from toolchain.install import install
from toolchain.progress import console, step

_SECRET: Final = "retraining-webhook"  # noqa: S105 - the name of a Secret
_EXPECTED_SECONDS: Final = 120
_POLL_SECONDS: Final = 3
_STARTED: Final = 202
_COLOURS: Final = {
    "promoted": "green",
    "rolling_out": "green",
    "passed": "green",
    "refused": "yellow",
    "failed": "red",
}


@dataclass(frozen=True)
class Receiver:
    """The receiver of a stack.

    Attributes:
        client: reaches it, with its token.
        wait: passes the time between two looks.
    """

    client: httpx.Client
    wait: Callable[[], None] = lambda: time.sleep(_POLL_SECONDS)

    def start(self, model: str) -> str:
        """Asks for a run; gives the name of its Job.

        Raises:
            ToolchainError: none was started; says why.
        """
        title = f"asking for a retraining of {model}"
        answer = self._call(title, "POST", "/v1/retrain", {"model": model})
        told = answer.json()
        if answer.status_code != _STARTED:
            cause = told.get("reason") or told.get("error", {}).get("message") or f"status {answer.status_code}"
            raise ToolchainError(title, cause, "see GET /v1/runs of `retraining_url` in `make outputs`")
        job: str = told["job"]
        return job

    def end_of(self, model: str, job: str) -> Mapping[str, Any]:
        """Waits for a run's end and gives it as the receiver lists it; a run has a deadline, so that one comes."""
        title = f"waiting for {job}"
        while True:
            runs = self._call(title, "GET", f"/v1/runs?model={model}").json()["runs"]
            # Newest first: the number of a Job comes again once the former one is gone.
            found: Mapping[str, Any] = next((run for run in runs if run["job"] == job), {})
            if found.get("state") == "ended":
                return found
            self.wait()

    def _call(self, title: str, method: str, path: str, body: object = None) -> httpx.Response:
        way_out = "see `kubectl --namespace=ml get pods` and the log of the Deployment `retraining`"
        try:
            answer = self.client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise ToolchainError(title, f"{method} {path}: {error}", way_out) from None
        if answer.status_code in {401, 503} or (method == "GET" and answer.is_error):
            raise ToolchainError(title, f"{method} {path}: status {answer.status_code}, {answer.text[:300]}", way_out)
        return answer


def retrain(chosen: stack.Target, model: str) -> bool:
    """Start a run of a model on the local stack, wait for its end and show it; whether it did not fail."""
    url = stack.outputs(chosen)["retraining_url"]
    headers = {"authorization": f"Bearer {token(chosen)}"}
    with httpx.Client(base_url=str(url), headers=headers, timeout=60) as client:
        receiver = Receiver(client)
        job = receiver.start(model)
        with step(f"{job} (`kubectl --namespace=ml logs --follow job/{job}` shows it)", _EXPECTED_SECONDS):
            run = receiver.end_of(model, job)
    show(run)
    return bool(run["result"] != "failed")


def show(run: Mapping[str, Any]) -> None:
    """Print how a run ended."""
    result = str(run["result"])
    console.print(f"[bold {_COLOURS[result]}]{result}[/]", run.get("cause", ""))
    console.print(str(run.get("message", "")), markup=False)
    if run.get("version") is not None:
        console.print(f"version {run['version']}, compared with {run['champion_version']}; its evidence and its card:")
        console.print(
            f"  models/{run['model']}/versions/{run['version']:08d}/{{evidence.json,model_card.html}}", markup=False
        )


def token(chosen: stack.Target) -> str:
    """From the cluster's Secret, through a pipe: on no command line."""
    kubectl = install(["kubectl"])["kubectl"]
    command = [str(kubectl), f"--kubeconfig={chosen.kubeconfig}", "--namespace=ml", "get", "secret", _SECRET]
    done = subprocess.run([*command, "--output=json"], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        cause = (done.stderr.strip().splitlines() or ["kubectl said nothing"])[-1]
        raise ToolchainError("reading the token of retraining", cause, "run `make up` first")
    return base64.b64decode(json.loads(done.stdout)["data"]["token"]).decode()
