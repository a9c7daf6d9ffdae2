"""The list of decisions."""

from toolchain.paths import REPOSITORY


def page() -> str:
    """The page in Markdown."""
    lines = ["# Decisions", "", "Each with its reasons; listed by `make docs`.", ""]
    for file in sorted((REPOSITORY / "docs" / "adr").glob("[0-9]*.md")):
        title = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        number, _, text = title.partition(". ")
        lines.append(f"- [{number}: {text}]({file.name})")
    return "\n".join([*lines, ""])
