"""Asks what is known against the packages that are pinned, and never takes no answer for none."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY
from toolchain.progress import console

_SECONDS: Final = 600
_TAIL: Final = 300


@dataclass(frozen=True)
class Audit:
    """What was learned of a lock file.

    Attributes:
        asked: how many packages somebody knew of.
        known: what is known against them, a line each.
        unanswered: packages of which nobody said anything.
    """

    asked: int
    known: tuple[str, ...]
    unanswered: tuple[str, ...]


def locks() -> list[Path]:
    """Every file that pins what is installed: in images, by the toolchain and by the policy pack."""
    return [
        *sorted(REPOSITORY.glob("services/*/requirements.lock")),
        REPOSITORY / "requirements-dev.lock",
        REPOSITORY / "infra" / "policy" / "requirements.txt",
    ]


def audit() -> None:
    """Ask the Python Package Index about every lock file, and say what it knows.

    Raises:
        ToolchainError: something is known against a package, or nobody could be asked about it.
    """
    known: list[str] = []
    unanswered: list[str] = []
    for lock in locks():
        name = str(lock.relative_to(REPOSITORY))
        found = read(_ask(lock))
        console.print(f"{name}: {found.asked} packages asked about, {len(found.known)} findings", markup=False)
        known += [f"{name}: {line}" for line in found.known]
        unanswered += [f"{name}: {package}" for package in found.unanswered]
    if known:
        console.print("\n".join(known), markup=False)
        raise ToolchainError(
            "auditing packages", f"{len(known)} findings", "pin the versions that mend them: make lock"
        )
    if unanswered:
        console.print("\n".join(unanswered[:5]), markup=False)
        raise ToolchainError(
            "auditing packages",
            f"nobody could be asked about {len(unanswered)} packages: this is no finding, and no clean bill either",
            "run it where https://pypi.org/pypi answers; pull requests and the weekly workflow do",
        )


def read(report: Mapping[str, Any]) -> Audit:
    """What pip-audit's JSON says (pure)."""
    packages = report["dependencies"]
    return Audit(
        asked=sum("skip_reason" not in package for package in packages),
        known=tuple(
            f"{package['name']} {package['version']}: {entry['id']}, mended in {entry['fix_versions']}"
            for package in packages
            for entry in package.get("vulns", ())
        ),
        unanswered=tuple(package["name"] for package in packages if "skip_reason" in package),
    )


def _ask(lock: Path) -> Mapping[str, Any]:
    hashed = "--hash=" in lock.read_text(encoding="utf-8")
    # Nothing is installed and nothing resolved: a lock file is asked about as it stands.
    options = [
        "--disable-pip",
        "--require-hashes" if hashed else "--no-deps",
        "--format=json",
        "--progress-spinner=off",
    ]
    command: list[str | Path] = [Path(sys.executable).with_name("pip-audit"), *options, f"--requirement={lock}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)
    try:
        report: Mapping[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        names = re.findall(r"^([\w.-]+)==", lock.read_text(encoding="utf-8"), re.MULTILINE)
        console.print(done.stderr.strip()[-_TAIL:], markup=False)
        return {"dependencies": [{"name": name, "skip_reason": "no answer"} for name in names]}
    return report
