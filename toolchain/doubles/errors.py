"""What a stand-in answers when it cannot do what the engine asks."""

from collections.abc import Sequence
from typing import Any

from toolchain.doubles.properties import Properties


class RefusedError(Exception):
    """The request cannot be carried out; nothing was changed.

    The message is for the person at the CLI: what, where, the value, the way out.
    """


class InitializationError(Exception):
    """The resource exists, but has not become what it should be.

    The engine keeps it in its state together with the reasons, so that the next `pulumi up` goes on from there
    instead of creating it again.

    Attributes:
        identifier: the resource's ID.
        inputs: the inputs it was made from.
        outputs: its live properties.
        reasons: why it is not there yet, one sentence each.
    """

    def __init__(self, identifier: str, *, inputs: Properties, outputs: dict[str, Any], reasons: Sequence[str]) -> None:
        """Takes what the engine is to record."""
        super().__init__("; ".join(reasons))
        self.identifier = identifier
        self.inputs = inputs
        self.outputs = outputs
        self.reasons = list(reasons)


class InvalidInputsError(Exception):
    """Inputs that `check` refuses.

    Attributes:
        failures: property path to reason.
    """

    def __init__(self, failures: dict[str, str]) -> None:
        """Takes a reason for each property."""
        super().__init__("; ".join(f"{path}: {reason}" for path, reason in failures.items()))
        self.failures = failures
