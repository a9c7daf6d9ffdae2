"""Secrets that nobody chose: made once by the stack, and the same from then on."""

import base64
import secrets
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as k8s

from infra.naming import App

_BYTES: Final = 32
"""Of randomness: 256 bits, as much as the keys of the ciphers that carry it."""


@dataclass(frozen=True, kw_only=True)
class GeneratedSecret:
    """A secret value, and the Secret that holds it.

    Attributes:
        name: of the Secret.
        key: the value's key in it.
        value: for those who need it elsewhere; a secret output.
    """

    name: pulumi.Output[str]
    key: str
    value: pulumi.Output[str]


def generated_secret(
    name: str, key: str, namespace: pulumi.Input[str], app: App, opts: pulumi.ResourceOptions
) -> GeneratedSecret:
    """Makes a Secret with a random value when the stack is first brought up.

    Every later run draws another value, which Pulumi is told to ignore: what stands in the state stays. To have a new
    one, replace the Secret: `pulumi up --replace <URN>`.
    """
    secret = k8s.core.v1.Secret(
        name,
        metadata={"namespace": namespace, "labels": app.labels},
        immutable=True,
        data={key: pulumi.Output.secret(base64.b64encode(_random().encode()).decode())},
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["data"])),
    )
    value = secret.data.apply(lambda data: base64.b64decode(data[key]).decode())
    return GeneratedSecret(name=secret.metadata.name, key=key, value=value)


def _random() -> str:
    return secrets.token_urlsafe(_BYTES)
