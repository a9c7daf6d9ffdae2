"""Every output of a stack."""

from infra.outputs import MEANINGS


def page() -> str:
    """The page in Markdown."""
    lines = [
        "# Stack outputs",
        "",
        "What `make outputs` and `pulumi stack output` print, written from the code by `make docs`.",
        "",
        "| output | platform | meaning |",
        "| --- | --- | --- |",
        *(f"| `{name}` | {platform} | {meaning} |" for name, (platform, meaning) in MEANINGS.items()),
        "",
    ]
    return "\n".join(lines)
