"""What the cluster does meanwhile: the autoscaler's word and the pods, and afterwards what Prometheus kept."""

import asyncio
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

LOOK_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 20
_STEP_SECONDS: Final = 15
"""As often as Prometheus looks."""

# A minute has four samples of each pod: over less a rate is a guess.
_QUERIES: Final[Mapping[str, str]] = {
    "cpu_cores": 'sum(rate(process_cpu_seconds_total{{job="scoring", model="{model}"}}[1m]))',
    "served_p99_ms": (
        "1000 * histogram_quantile(0.99, sum by (le) (rate("
        'scoring_request_duration_seconds_bucket{{route="/v1/predict", model="{model}"}}[1m])))'
    ),
    "log_record_bytes": (
        'sum(rate(scoring_log_bytes_total{{model="{model}"}}[1m]))'
        ' / (sum(rate(scoring_log_records_total{{model="{model}", outcome="stored"}}[1m])) > 0)'
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """The pods at a moment.

    Attributes:
        at: seconds from the start.
        desired: pods that the autoscaler wants.
        ready: pods that take requests.
        millicores: what a pod uses on average, as the autoscaler sees it; none before it knows.
        machine_busy: share of all the machine's cores that is in use since the look before, 0 to 1.
    """

    at: float
    desired: int
    ready: int
    millicores: float | None
    machine_busy: float


def read(document: Mapping[str, Any], at: float, machine_busy: float) -> Look:
    """What `kubectl get hpa,deployment --output=json` says. Pure."""
    found = {item["kind"]: item["status"] for item in document["items"]}
    autoscaler, deployment = found["HorizontalPodAutoscaler"], found["Deployment"]
    # Before the first sample there is a metric that says nothing of any resource.
    told = [metric["resource"] for metric in autoscaler.get("currentMetrics") or () if "resource" in metric]
    usage = [resource["current"]["averageValue"] for resource in told]
    return Look(
        at=at,
        desired=autoscaler.get("desiredReplicas", 0),
        ready=deployment.get("readyReplicas", 0),
        millicores=_millicores(usage[0]) if usage else None,
        machine_busy=machine_busy,
    )


async def watch(kubectl: Path, kubeconfig: Path, name: str, begun: float, seconds: float) -> list[Look]:
    """Looks every five seconds, for so many seconds.

    Args:
        kubectl: the program.
        kubeconfig: of the cluster.
        name: of the Deployment and of its autoscaler.
        begun: when time begins, by the monotonic clock.
        seconds: until when.
    """
    command = [str(kubectl), f"--kubeconfig={kubeconfig}", "--namespace=ml", "get", "--output=json"]
    command += [f"hpa/{name}", f"deployment/{name}"]
    looks: list[Look] = []
    psutil.cpu_percent()  # the first call only begins
    while (at := time.monotonic() - begun) < seconds:
        # One look that fails, or that a machine at its limit does not finish, costs no run.
        with suppress(subprocess.SubprocessError):
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, check=True, timeout=_PATIENCE_SECONDS
            )
            looks.append(read(json.loads(done.stdout), round(at, 1), round(psutil.cpu_percent() / 100, 3)))
        await asyncio.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - begun - at)))
    return looks


def remembered(prometheus_url: str, model: str, start: float, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """What Prometheus kept of the run: pairs of seconds from its start and value, by name.

    Raises:
        httpx.HTTPError: Prometheus does not answer.
    """
    series: dict[str, list[tuple[float, float]]] = {}
    for name, query in _QUERIES.items():
        parameters: dict[str, str | float] = {"query": query.format(model=model)}
        parameters |= {"start": start, "end": start + seconds, "step": _STEP_SECONDS}
        answer = httpx.get(f"{prometheus_url}/api/v1/query_range", params=parameters, timeout=30).raise_for_status()
        series[name] = _pairs(answer.json()["data"]["result"], start)
    return series


def _pairs(result: Sequence[Mapping[str, Any]], start: float) -> list[tuple[float, float]]:
    values = result[0]["values"] if result else []
    return [(round(at - start, 1), round(float(value), 4)) for at, value in values if value != "NaN"]


def _millicores(quantity: str) -> float:
    return float(quantity[:-1]) if quantity.endswith("m") else float(quantity) * 1000
