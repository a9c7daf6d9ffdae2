"""The version on trial beside the champion, and which requests it is given."""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from lifecycle.rollouts import RolloutMode

from scoring.champion import ServedModel

_DRAWN_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Challenger:
    """A model that was loaded and checked, and its share of the requests.

    A request is given to it by a hash of the request's key and of the version: the same key always is or is not, a
    share that grows keeps whom it had, and another rollout meets others first.
    """

    model: ServedModel
    role: RolloutMode
    share: float
    _below: int = field(init=False)
    _salt: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Prepares the choice: 1 us for each request of a rollout."""
        object.__setattr__(self, "_below", round(self.share * 256**_DRAWN_BYTES))
        object.__setattr__(self, "_salt", str(self.model.manifest.version).encode())

    def takes(self, key: bytes) -> bool:
        """Whether a request with this key is given to the challenger."""
        drawn = hashlib.blake2b(key, digest_size=_DRAWN_BYTES, salt=self._salt).digest()
        return int.from_bytes(drawn) < self._below
