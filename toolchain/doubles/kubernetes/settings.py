"""The provider's own inputs (pure)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolchain.doubles.errors import InvalidInputsError
from toolchain.doubles.kubernetes.objects import GroupKind
from toolchain.doubles.properties import UNKNOWN, Properties

_SWITCHES = (
    "deleteUnreachable",
    "enableConfigMapMutable",
    "enableSecretMutable",
    "enableServerSideApply",
    "skipUpdateUnreachable",
    "suppressDeprecationWarnings",
    "suppressHelmHookWarnings",
)

_REFUSED: Mapping[str, str] = {
    "renderYamlToDirectory": "rendering to a folder needs the official plugin",
    "skipUpdateUnreachable": "skipping an unreachable cluster needs the official plugin",
    "deleteUnreachable": "forgetting objects of an unreachable cluster needs the official plugin; "
    "`pulumi state delete` takes them out of the state one by one",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a stack's provider asks for.

    Attributes:
        kubeconfig: a path or the content of a kubeconfig; empty for what KUBECONFIG or the home folder has.
        context: which of its contexts; empty for the current one.
        cluster: which of its clusters instead of the context's; empty for that.
        namespace: where objects go that name none; empty for the context's.
        mutable_kinds: kinds whose content may change in place although consumers would not notice.
        quiet_deprecations: whether the server's warnings of deprecated versions stay unsaid.
    """

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    mutable_kinds: frozenset[GroupKind] = frozenset()
    quiet_deprecations: bool = False


def read(inputs: Mapping[str, Any]) -> Settings:
    """The settings that the provider's inputs stand for.

    Raises:
        InvalidInputsError: an input asks for what the stand-in does not do, or is no boolean where one belongs.
    """
    switches = _switches(inputs)
    failures = {key: reason for key, reason in _REFUSED.items() if inputs.get(key) and switches.get(key, True)}
    if not switches.get("enableServerSideApply", True):
        failures["enableServerSideApply"] = "is false; the stand-in only applies on the server's side: leave it out"
    if failures:
        raise InvalidInputsError(failures)
    mutable = {
        "enableConfigMapMutable": GroupKind("", "ConfigMap"),
        "enableSecretMutable": GroupKind("", "Secret"),
    }
    return Settings(
        kubeconfig=_kubeconfig(inputs.get("kubeconfig")),
        context=str(inputs.get("context") or ""),
        cluster=str(inputs.get("cluster") or ""),
        namespace=str(inputs.get("namespace") or ""),
        mutable_kinds=frozenset(kind for key, kind in mutable.items() if switches.get(key)),
        quiet_deprecations=switches.get("suppressDeprecationWarnings", False),
    )


def _kubeconfig(value: object) -> str:
    # A program may pass the content as an object, too.
    return json.dumps(value) if isinstance(value, Mapping) else str(value or "")


def _switches(inputs: Properties | Mapping[str, Any]) -> dict[str, bool]:
    result = {}
    for key in _SWITCHES:
        match inputs.get(key):
            case None:
                continue
            case value if value is UNKNOWN:
                continue
            case bool(value):
                result[key] = value
            # SDKs send the provider's booleans as JSON text.
            case "true" | "false" as text:
                result[key] = text == "true"
            case other:
                raise InvalidInputsError({key: f"is {other!r}; it must be true or false"})
    return result
