"""Failures on demand (pure)."""

import enum
import fnmatch
import threading
from dataclasses import dataclass, field

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

    def strikes(self, token: str, name: str, moment: Moment) -> bool:
        """Whether this create is the one that fails now; says so once."""
        if not self.pattern or moment is not self.moment:
            return False
        if not any(fnmatch.fnmatchcase(text, self.pattern) for text in (token, name)):
            return False
        return self._armed.acquire(blocking=False)
