"""Which pages there are, and writing them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from toolchain.paths import REPOSITORY
from toolchain.reference import alerts, commands, configuration, decisions, http_api, metrics, outputs, settings
from toolchain.scale import page as scale

FOLDER: Final = REPOSITORY / "docs"

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "adr/index.md": decisions.page,
    "reference/alerts.md": alerts.page,
    "reference/commands.md": commands.page,
    "reference/configuration.md": configuration.page,
    "reference/http_api.md": http_api.page,
    "reference/metrics.md": metrics.page,
    "reference/outputs.md": outputs.page,
    "reference/settings.md": settings.page,
    "scale.md": scale.page,
}


def write(folder: Path = FOLDER) -> None:
    """Writes every page."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
