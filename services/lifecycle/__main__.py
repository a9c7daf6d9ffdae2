"""`python3 -m lifecycle`: the registry of MODEL_NAME in MODEL_STORE_URL, for people and, with --json, for scripts.

Exit status: 0 done, 1 refused or failed, 2 wrong use or configuration.
"""

import getpass
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from lifecycle.manifest import EVIDENCE_FILE_NAME
from lifecycle.registry import (
    ChampionChangedError,
    ModelRefusedError,
    ModelRegistry,
    NeverChampionError,
)
from lifecycle.rollouts import NoRolloutError, RolloutChangedError, RolloutMode, RolloutRunningError, Rollouts
from lifecycle.settings import ConfigurationError, StoreSettings, read_settings
from lifecycle.store import ObjectStore, StoreUnavailableError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Model versions.")

_FAILURES: Final = (
    ChampionChangedError,
    ModelRefusedError,
    NeverChampionError,
    NoRolloutError,
    RolloutChangedError,
    RolloutRunningError,
    StoreUnavailableError,
)

_EVIDENCE_LIMIT_BYTES: Final = 1024 * 1024

Json = Annotated[bool, typer.Option("--json", help="one JSON document instead of a table")]
VersionNumber = Annotated[int, typer.Argument(min=1, help="the version's number")]
Actor = Annotated[str, typer.Option(default_factory=getpass.getuser, help="who does it; your login name by default")]
Mode = Annotated[RolloutMode, typer.Option(help="scores beside the champion; or answers a growing share")]
Reason = Annotated[str, typer.Option(prompt=True, help="why; kept in the history")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List the versions, oldest first."""
    registry = _registry()
    champion = registry.champion()
    rows = []
    for version in registry.versions():
        facts = registry.manifest(version).training
        rows.append(
            {
                "version": version,
                "champion": champion is not None and champion.version == version,
                "created_at": facts.created_at.isoformat(),
                "rows": facts.rows,
                "parent": facts.parent_version,
                **facts.metrics,
            }
        )
    _show(f"Versions of {registry.model}", rows, as_json=as_json)


@app.command()
def show(version: VersionNumber) -> None:
    """Print a version's manifest as JSON."""
    sys.stdout.write(_registry().manifest(version).to_json().decode())


@app.command()
def evidence(version: VersionNumber) -> None:
    """Print why a version was let through or turned down, as JSON; the first version has no such evidence."""
    sys.stdout.write(_registry().file(version, EVIDENCE_FILE_NAME, _EVIDENCE_LIMIT_BYTES).decode())


@app.command()
def diff(first: VersionNumber, second: VersionNumber, *, as_json: Json = False) -> None:
    """Show what differs between the manifests of two versions."""
    registry = _registry()
    was, now = (_flat(registry.manifest(version).model_dump(mode="json")) for version in (first, second))
    rows = [
        {"property": name, str(first): was.get(name), str(second): now.get(name)}
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]
    _show(f"Version {first} against {second}", rows, as_json=as_json)


@app.command()
def history(*, as_json: Json = False) -> None:
    """List every move of the champion pointer, oldest first."""
    registry = _registry()
    rows = [move.model_dump(mode="json") for move in registry.history()]
    _show(f"Champions of {registry.model}", rows, as_json=as_json)


@app.command()
def promote(version: VersionNumber, actor: Actor, reason: Reason) -> None:
    """Make a version the champion; it is checked first."""
    registry = _registry()
    champion = registry.champion()
    registry.load(version)
    registry.promote(version, replacing=champion, actor=actor, reason=reason)


@app.command()
def rollback(version: VersionNumber, actor: Actor, reason: Reason) -> None:
    """Make a former champion the champion again; it is checked first."""
    _registry().roll_back(version, actor=actor, reason=reason)


@app.command()
def rollouts(*, as_json: Json = False) -> None:
    """List every step of the rollouts, oldest first; the last one is what holds now."""
    found = _rollouts()
    rows = [step.model_dump(mode="json", exclude={"champion_tag"}) for step in found.history()]
    _show(f"Rollouts of {found.model}", rows, as_json=as_json)


@app.command()
def begin_rollout(version: VersionNumber, mode: Mode, actor: Actor, reason: Reason) -> None:
    """Put a version on trial against the champion, as a shadow or as a canary; it is checked first."""
    registry = _registry()
    champion = registry.champion()
    if champion is None or champion.version == version:
        message = f"version {version} cannot be tried against the champion, which is {champion and champion.version}"
        raise ModelRefusedError("champion_invalid", message, version)
    registry.load(version)
    _rollouts().begin(version, mode, champion, actor=actor, reason=reason)


@app.command()
def abort_rollout(actor: Actor, reason: Reason) -> None:
    """Take back the version that is on trial; the champion serves all requests again."""
    _rollouts().abort(actor=actor, reason=reason)


@app.command()
def verify(*, as_json: Json = False) -> None:
    """Check every version's files against its manifest, and both histories; exit status 1 where anything is wrong."""
    registry = _registry()
    rows = [{"version": version, "finding": _finding(registry, version)} for version in registry.versions()]
    registry.history()
    _rollouts().history()
    _show(f"Versions of {registry.model}", rows, as_json=as_json)
    if any(row["finding"] != "whole" for row in rows):
        raise typer.Exit(1)


def main() -> int:
    """Runs one command and gives the exit status."""
    try:
        app(prog_name="lifecycle", standalone_mode=True)
    except ConfigurationError as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return 2
    except _FAILURES as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _registry() -> ModelRegistry:
    settings = read_settings(StoreSettings)
    return ModelRegistry(ObjectStore.open(settings), settings.model_name)


def _rollouts() -> Rollouts:
    settings = read_settings(StoreSettings)
    return Rollouts(ObjectStore.open(settings), settings.model_name)


def _finding(registry: ModelRegistry, version: int) -> str:
    try:
        if registry.load(version).manifest.reference is not None:
            registry.reference(version)
    except ModelRefusedError as error:
        return str(error)
    return "whole"


def _flat(value: object, path: str = "") -> dict[str, object]:
    if not isinstance(value, Mapping):
        return {path: value}
    parts = (_flat(inner, f"{path}.{name}".lstrip(".")) for name, inner in value.items())
    return {name: leaf for part in parts for name, leaf in part.items()}


def _show(title: str, rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    table = Table(title=title)
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*("" if row.get(name) is None else str(row[name]) for name in names))
    Console().print(table, markup=False)


if __name__ == "__main__":
    sys.exit(main())
