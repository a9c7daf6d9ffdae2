"""The one error that the command line shows to a person."""

from dataclasses import dataclass


@dataclass(eq=False)
class ToolchainError(Exception):
    """A step failed for a reason that a person can act upon.

    Attributes:
        step: what was being done, as the progress line names it.
        cause: why it failed, with the value or path that is to blame.
        way_out: what to do now.
    """

    step: str
    cause: str
    way_out: str

    def __str__(self) -> str:
        """Give the three parts on three lines."""
        return f"{self.step} failed\n  cause: {self.cause}\n  what to do: {self.way_out}"
