"""Which Pulumi plugins this machine has; for those that it lacks, the stand-ins."""

import os
import shutil
from pathlib import Path

from toolchain.doubles import launchers
from toolchain.paths import cache_dir


def missing() -> list[str]:
    """The plugins that are installed nowhere: neither on PATH nor in Pulumi's own folder."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    return [name for name in launchers.MODULES if shutil.which(name) is None and not _in_pulumi_home(home, name)]


def stand_ins(python: Path) -> tuple[Path, list[str]]:
    """Make a folder with a stand-in for each missing plugin, and for no other.

    Args:
        python: the interpreter that runs them.

    Returns:
        the folder, to be put first on PATH, and the names of the plugins that are stood in for.
    """
    names = missing()
    folder = cache_dir() / "stand-ins" / (launchers_key(names) or "none")
    folder.mkdir(parents=True, exist_ok=True)
    launchers.install(folder, python, names)
    return folder, names


def launchers_key(names: list[str]) -> str:
    """A folder name for a set of plugins, so that machines which gain an official one leave its stand-in behind."""
    return "+".join(name.removeprefix("pulumi-") for name in names)


def _in_pulumi_home(home: Path, name: str) -> bool:
    kind, _, plugin = name.removeprefix("pulumi-").partition("-")
    return any(home.glob(f"plugins/{kind}-{plugin}-v*/{name}")) or (home / "bin" / name).exists()
