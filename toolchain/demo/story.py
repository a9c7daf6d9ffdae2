"""The story of a run of the loop: its figures as JSON, and a page with plots that needs nothing beside itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped] # plotly ships no types

from toolchain.demo.comparison import Comparison
from toolchain.demo.sight import ESTIMATED, METRIC, REALIZED, Measure

_COLOURS: Final = {"estimated": "#1a5fb4", "realized": "#26734d", "threshold": "#a3211c"}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        seconds: since traffic began.
        kind: of what: traffic, drift, estimated, realized, alert, retraining, gate, swap.
        text: in words.
    """

    seconds: float
    kind: str
    text: str


@dataclass
class Story:
    """What a run showed.

    Attributes:
        model: whose loop it was.
        began_at: when traffic began.
        rows_per_second: of traffic, as asked for.
        events: in order.
        measures: what the drift service found, by version and chunk, in order.
        requests: how many were answered, and how many failed.
        versions: the champion at the start and at the end.
        comparison: the former champion and the new one on the rows that came after the swap.
    """

    model: str
    began_at: datetime
    rows_per_second: float
    events: list[Event] = field(default_factory=list)
    measures: dict[tuple[int, int, str, str, str], Measure] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    versions: tuple[int, int] | None = None
    comparison: Comparison | None = None

    def keep(self, version: int | None, measures: Sequence[Measure]) -> None:
        """Takes what a look showed; the newest word on a chunk counts."""
        for each in measures:
            if version is not None and datetime.fromisoformat(each["end"]) >= self.began_at:
                key = (version, int(each["chunk"]), each["family"], each["column"], each["method"])
                self.measures[key] = each

    def figures(self) -> dict[str, Any]:
        """Everything, as `story.json` has it."""
        return {
            "model": self.model,
            "began_at": self.began_at.isoformat(),
            "rows_per_second": self.rows_per_second,
            "requests": self.requests,
            "versions": self.versions,
            "comparison": asdict(self.comparison) if self.comparison else None,
            "events": [asdict(event) for event in self.events],
            "performance": [
                {
                    "version": version,
                    "chunk": chunk,
                    "kind": family,
                    "seconds": self._seconds(each["end"]),
                    "value": each["value"],
                    "lower_threshold": each["lower_threshold"],
                    "alert": each["alert"],
                }
                for (version, chunk, family, _, method), each in self.measures.items()
                if family in {ESTIMATED, REALIZED} and method == METRIC
            ],
        }

    def write(self, folder: Path) -> Path:
        """Writes `story.json` and `story.html`; gives the page."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "story.json").write_text(json.dumps(self.figures(), indent=2) + "\n", encoding="utf-8")
        page = folder / "story.html"
        page.write_text(self._page(), encoding="utf-8")
        return page

    def _page(self) -> str:
        pages = Environment(
            loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        return pages.get_template("story.html.j2").render(
            story=self, plots=[self._performance(), self._columns()], plotly=get_plotlyjs()
        )

    def _performance(self) -> dict[str, Any]:
        points = self.figures()["performance"]
        traces = []
        for kind, word in ((ESTIMATED, "estimated"), (REALIZED, "realized")):
            for version in sorted({point["version"] for point in points}):
                chosen = sorted(
                    (p for p in points if (p["kind"], p["version"]) == (kind, version)),
                    key=lambda p: float(p["seconds"]),
                )
                line = {"color": _COLOURS[word], "dash": "dot" if word == "estimated" else "solid"}
                traces.append(_line(f"{word}, version {version}", chosen, "value", line))
        for version in sorted({point["version"] for point in points}):
            chosen = [p for p in points if (p["kind"], p["version"]) == (ESTIMATED, version)]
            line = {"color": _COLOURS["threshold"], "dash": "dash"}
            traces.append(_line(f"least allowed, version {version}", chosen, "lower_threshold", line))
        return {"title": "Accuracy of each chunk, by when its last row was asked", "traces": traces}

    def _columns(self) -> dict[str, Any]:
        drift = [(key, each) for key, each in self.measures.items() if key[2] == "univariate"]
        traces = []
        for column in sorted({key[3] for key, _ in drift}):
            chosen = sorted(
                (
                    {"seconds": self._seconds(each["end"]), "value": each["value"] / each["upper_threshold"]}
                    for key, each in drift
                    if key[3] == column and each["upper_threshold"]
                ),
                key=lambda point: float(point["seconds"]),
            )
            traces.append(_line(column, chosen, "value", {}))
        return {"title": "Drift of each column, as a multiple of what the reference allows", "traces": traces}

    def _seconds(self, moment: str) -> float:
        return round((datetime.fromisoformat(moment) - self.began_at).total_seconds(), 1)


def _line(name: str, points: Sequence[Mapping[str, Any]], field_: str, line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "mode": "lines+markers",
        "x": [point["seconds"] for point in points],
        "y": [point[field_] for point in points],
        "line": dict(line),
    }
