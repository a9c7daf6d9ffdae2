"""Failures on demand (pure)."""

import enum
import fnmatch
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from toolchain.doubles.errors import InvalidInputsError

VARIABLE = "AWS_DOUBLE_FAIL"


class Moment(enum.Enum):
    """When an injected failure comes."""

    BEFORE = "before"
    AFTER = "after"


@dataclass
class Failures:
    """Makes one create fail, the first that matches.

    Attributes:
        pattern: of the resource's type or name, with `*`; empty for none.
        moment: before the resource is made, or after.
    """

    pattern: str = ""
    moment: Moment = Moment.BEFORE
    _armed: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Failures":
        """Reads `PATTERN[:before|:after]`; types have colons, too."""
        pattern, _, moment = text.rpartition(":")
        if moment in (member.value for member in Moment):
            return cls(pattern, Moment(moment))
        return cls(text)

    def check(self, types: Iterable[str]) -> None:
        """Sees to it that a pattern of types fits one; any name may come.

        Raises:
            InvalidInputsError: it fits none, so that nothing would ever fail.
        """
        if ":" in self.pattern and not fnmatch.filter(types, self.pattern):
            message = f"{VARIABLE} is {self.pattern!r}, which fits no type of resource that the stand-in knows"
            raise InvalidInputsError({"": message})

    def strikes(self, token: str, name: str, moment: Moment) -> bool:
        """Whether this create is the one that fails now; says so once."""
        if not self.pattern or moment is not self.moment:
            return False
        if not any(fnmatch.fnmatchcase(text, self.pattern) for text in (token, name)):
            return False
        return self._armed.acquire(blocking=False)
