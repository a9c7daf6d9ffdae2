"""Draws a run: load, latency, pods and processor time over the same seconds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.ramp.report import OBJECTIVE_MS, Setting
from benchmarks.ramp.shape import Shape

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "ramp"  # the same results give the same file

from matplotlib import pyplot as plt  # noqa: E402 - the backend is chosen first

_BLUE, _ORANGE, _GREY, _RED = "#1f77b4", "#e08a3c", "#999999", "#a3211c"


def draw(results: Mapping[str, Any], details: Mapping[str, Any], target: Path) -> None:
    """Four rows, one below the other, as SVG."""
    setting, shape = Setting(**results["setting"]), Shape(**results["shape"])
    windows, looks = details["windows"], details["looks"]
    figure, rows = plt.subplots(4, 1, figsize=(9, 9), sharex=True, layout="constrained")
    at = [window["at"] for window in windows]

    rows[0].plot(at, [window["asked_per_second"] for window in windows], color=_GREY, label="asked")
    rows[0].plot(at, [window["answered_per_second"] for window in windows], color=_BLUE, label="answered")
    rows[0].set_ylabel("requests a second")

    rows[1].plot(at, [window["p99_ms"] for window in windows], color=_BLUE, label="99th percentile of 5 s")
    rows[1].plot(at, [window["p50_ms"] for window in windows], color=_GREY, label="median")
    rows[1].axhline(OBJECTIVE_MS, color=_RED, linestyle="--", linewidth=1, label="objective")
    rows[1].set_yscale("log")
    rows[1].set_ylabel("latency, ms")

    seen = [look["at"] for look in looks]
    rows[2].step(
        seen, [look["desired"] for look in looks], where="post", color=_ORANGE, label="wanted by the autoscaler"
    )
    rows[2].step(seen, [look["ready"] for look in looks], where="post", color=_BLUE, label="ready")
    rows[2].set_ylabel("pods")
    rows[2].set_ylim(bottom=0)

    target_cores = setting.target_millicores / 1000
    rows[3].plot(*zip(*details["prometheus"]["cpu_cores"], strict=True), color=_BLUE, label="used by all pods")
    rows[3].step(
        seen, [look["ready"] * target_cores for look in looks], where="post", color=_ORANGE, label="target of the pods"
    )
    rows[3].set_ylabel("cores")
    rows[3].set_ylim(bottom=0)
    rows[3].set_xlabel("seconds")
    rows[3].set_xlim(0, shape.seconds)

    for row in rows:
        row.legend(loc="upper right", fontsize=8, frameon=False)
        row.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Date": None})
