"""Which API server, and as whom: what a kubeconfig says."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

from toolchain.doubles.errors import RefusedError
from toolchain.doubles.kubernetes.settings import Settings

_FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_DEFAULT_PATH = Path("~/.kube/config")


def load(settings: Settings, environment: Mapping[str, str] = os.environ) -> SingleConfig:
    """The cluster and user that the settings choose.

    Several files, as KUBECONFIG may name, count as one: of entries with the same name the first wins.

    Raises:
        RefusedError: there is no kubeconfig, it is none, or it lacks what was chosen.
    """
    origin, content = _content(settings, environment)
    try:
        config = KubeConfig.from_dict(content)
        context = settings.context or config.current_context
        if not context:
            message = f"{origin} has no current context: choose one of {sorted(config.contexts)} with `context`"
            raise RefusedError(message)
        chosen = config.get(context)
        assert chosen is not None  # noqa: S101 - only absent where the context is
        if settings.cluster:
            chosen = chosen._replace(cluster=config.clusters[settings.cluster])
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        message = f"{origin} cannot be used for context {settings.context or '(current)'!r}: {error}"
        raise RefusedError(message) from error
    if settings.namespace:
        chosen = chosen._replace(context=msgspec.structs.replace(chosen.context, namespace=settings.namespace))
    return chosen


def _content(settings: Settings, environment: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    given = settings.kubeconfig
    # A path has neither: content is YAML or JSON over several keys.
    if "\n" in given or given.lstrip().startswith("{"):
        return "the provider's kubeconfig", _parsed("the provider's kubeconfig", given)
    if given:
        paths = [Path(given)]
    elif environment.get("KUBECONFIG"):
        paths = [Path(part) for part in environment["KUBECONFIG"].split(os.pathsep) if part]
    else:
        paths = [_DEFAULT_PATH]
    files = [path.expanduser() for path in paths]
    existing = [path for path in files if path.is_file()]
    if not existing:
        message = (
            f"no kubeconfig at {', '.join(map(str, files))}: start a cluster, or point KUBECONFIG or the provider's "
            "`kubeconfig` at the file of one"
        )
        raise RefusedError(message)
    merged: dict[str, Any] = {"clusters": [], "contexts": [], "users": [], "current-context": None}
    for path in existing:
        content = _parsed(str(path), path.read_text())
        merged["current-context"] = merged["current-context"] or content.get("current-context")
        for key in ("clusters", "contexts", "users"):
            known = {entry["name"] for entry in merged[key]}
            merged[key] += [_absolute(entry, path) for entry in content.get(key) or [] if entry["name"] not in known]
    return ", ".join(map(str, existing)), merged


def _parsed(origin: str, text: str) -> dict[str, Any]:
    try:
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        message = f"{origin} is not YAML: {error}"
        raise RefusedError(message) from error
    if not isinstance(content, dict):
        message = f"{origin} is no kubeconfig: it holds {type(content).__name__}, not an object"
        raise RefusedError(message)
    return content


def _absolute(entry: dict[str, Any], file: Path) -> dict[str, Any]:
    """An entry whose files are named from the root, not from the kubeconfig's folder."""
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in entry.items()}
    for body in result.values():
        if isinstance(body, dict):
            body.update({key: str(file.parent.absolute() / body[key]) for key in _FILE_KEYS if body.get(key)})
    return result
