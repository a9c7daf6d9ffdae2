"""Draws results.json: `python -m benchmarks.serving.plot <results.json> <target.svg>`."""

import json
import sys
from pathlib import Path

import matplotlib as mpl

from benchmarks.serving.contestants import CONTESTANTS

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "serving"  # the same results give the same file

from matplotlib import pyplot as plt  # noqa: E402 - the backend is chosen first


def draw(results: dict[str, dict[str, float]], target: Path) -> None:
    """Horizontal bars on a logarithmic axis: shares of the bare ASGI application's rate, where it was measured."""
    names = sorted((n for n in CONTESTANTS if n in results), key=lambda n: results[n]["requests_per_second"])
    rates = [results[name]["requests_per_second"] for name in names]
    limit = results.get("bare_asgi", {}).get("requests_per_second", 1)
    shares = [rate / limit for rate in rates]
    colours = [
        "#1f77b4" if n.startswith("scoring") else "#bbbbbb" if n in ("bare_asgi", "c_call") else "#e08a3c"
        for n in names
    ]
    figure, axes = plt.subplots(figsize=(9, 0.45 * len(names) + 1.2), layout="constrained")
    bars = axes.barh([CONTESTANTS[name].title for name in names], shares, color=colours)
    labels = [
        f"{share:.3g}  ({rate:,.0f}/s)" if limit > 1 else f"{rate:,.0f}/s"
        for share, rate in zip(shares, rates, strict=True)
    ]
    axes.bar_label(bars, labels, padding=4, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(left=min(shares) / 2, right=max(shares) * 40)
    axes.set_xlabel("requests of one row a second" + ", of the bare ASGI application's" * (limit > 1))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
