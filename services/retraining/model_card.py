"""The model card: the evidence as one HTML page, plots and all, that needs nothing beside itself."""

from collections.abc import Sequence
from html import escape
from typing import Final

from lifecycle.manifest import TimeWindow, TrainingFacts

from retraining.evidence import Evidence

_SIZE: Final = 260
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:58rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
h1{margin-bottom:.2rem}table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}
td,th{border-bottom:1px solid #d5d9de;padding:.3rem .6rem;text-align:left;vertical-align:top}
.yes{color:#17663a;font-weight:600}.no{color:#a3211c;font-weight:600}
.plots{display:flex;flex-wrap:wrap;gap:1.5rem}figure{margin:0}figcaption{font-size:13px}
.champion{stroke:#8a6d1d;fill:#8a6d1d}.challenger{stroke:#1a5fb4;fill:#1a5fb4}
svg{background:#f7f8fa}svg text{font-size:11px;fill:#1b1f24;stroke:none}polyline{fill:none!important;stroke-width:2}
"""

_Points = Sequence[tuple[float, float]]


def model_card(evidence: Evidence, facts: TrainingFacts) -> bytes:
    """The page for a version."""
    verdict = "passed every gate" if evidence.passed else f"refused by: {', '.join(evidence.refusals)}"
    title = f"{evidence.model}, version {evidence.version}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="{"yes" if evidence.passed else "no"}">{escape(verdict)}</p>',
        "<h2>Gates</h2>",
        _table(
            ("gate", "", "why"),
            [(gate.gate, "passed" if gate.passed else "refused", gate.reason) for gate in evidence.gates],
        ),
        "<h2>On the holdout</h2>",
        '<div class="plots">',
        *_plots(evidence),
        "</div>",
        f"<p>Blue is this version, ochre the champion, {escape(_version(evidence.champion_version))}.</p>",
        "<h2>Data</h2>",
        _table(
            ("part", "rows", "from", "to"),
            [
                ("training", evidence.train_rows, *_moments(evidence.train_window)),
                ("holdout", evidence.holdout_rows, *_moments(evidence.holdout_window)),
            ],
        ),
        _table(("what", "how many"), [(name.replace("_", " "), f"{n:g}") for name, n in evidence.data.items()]),
        "<h2>Features</h2>",
        _table(
            ("feature", "share of the gain"), [(name, f"{share:.1%}") for name, share in evidence.importance.items()]
        ),
        "<h2>How it was made</h2>",
        _table(
            ("what", "value"),
            [
                ("made at", f"{facts.created_at:%F %T} UTC"),
                ("replaces", _version(facts.parent_version)),
                ("seed", facts.seed),
                ("data", facts.data_sha256),
                ("code", facts.code_version),
                *((f"metric {name}", f"{value:.5f}") for name, value in facts.metrics.items()),
                *((f"parameter {name}", value) for name, value in facts.parameters.items()),
                *((f"library {name}", value) for name, value in facts.library_versions.items()),
            ],
        ),
    ]
    # Nothing is fetched and nothing runs, whatever a recipe names its features.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><style>{_STYLE}</style></head><body>'
    )
    return (head + "\n".join(body) + "</body></html>\n").encode()


def _plots(evidence: Evidence) -> list[str]:
    both = [("challenger", evidence.challenger), ("champion", evidence.champion)]
    given = [(name, answers) for name, answers in both if answers is not None]
    diagonal = '<line x1="0" y1="260" x2="260" y2="0" stroke="#b6bcc4" stroke-dasharray="4"/>'
    calibration = "".join(
        _line(name, list(zip(answers.calibration.predicted, answers.calibration.observed, strict=True)))
        for name, answers in given
        if answers.calibration is not None
    )
    roc = "".join(_line(name, answers.roc) for name, answers in given)
    most = max((max(answers.histogram) for _, answers in given), default=1) or 1
    bars = "".join(
        _bars(name, [count / most for count in answers.histogram], shift) for shift, (name, answers) in enumerate(given)
    )
    if not calibration:
        return [_figure("Rows by output, from the least to the largest", bars)]
    return [
        _figure("ROC: true against false alarms", diagonal + roc),
        _figure("Calibration: what came true against what was predicted", diagonal + calibration),
        _figure("Rows by predicted probability", bars),
    ]


def _figure(caption: str, content: str) -> str:
    svg = f'<svg width="{_SIZE}" height="{_SIZE}" viewBox="0 0 {_SIZE} {_SIZE}" role="img">{content}</svg>'
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _line(kind: str, points: _Points) -> str:
    shown = " ".join(f"{x * _SIZE:.1f},{(1 - y) * _SIZE:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{shown}"/>'


def _bars(kind: str, heights: Sequence[float], shift: int) -> str:
    width = _SIZE / len(heights) / 2
    return "".join(
        f'<rect class="{kind}" x="{(2 * place + shift) * width:.1f}" y="{(1 - height) * _SIZE:.1f}" '
        f'width="{width - 1:.1f}" height="{height * _SIZE:.1f}"/>'
        for place, height in enumerate(heights)
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    classes = {"passed": ' class="yes"', "refused": ' class="no"'}
    lines = "".join(
        "<tr>" + "".join(f"<td{classes.get(str(cell), '')}>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>{lines}</table>"


def _moments(window: TimeWindow) -> tuple[str, str]:
    return f"{window.start:%F %T} UTC", f"{window.end:%F %T} UTC"


def _version(version: int | None) -> str:
    return "none" if version is None else f"version {version}"
