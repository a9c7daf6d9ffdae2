"""The simulated account: a file that says what exists."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from toolchain.doubles.errors import RefusedError

VARIABLE = "AWS_DOUBLE_ACCOUNT"
ID_VARIABLE = "AWS_DOUBLE_ACCOUNT_ID"
DEFAULT_ID = "123456789012"
_LOCK_SECONDS = 60


@dataclass
class Record:
    """A resource that exists.

    Attributes:
        token: its type.
        identifier: its id among those of its type.
        urn: of the stack's resource that made it; empty where none did.
        seed: what its digits follow from.
        inputs: what it was made from.
        outputs: what it looks like.
    """

    token: str
    identifier: str
    urn: str
    seed: str
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)


@dataclass
class Holdings:
    """What the account holds at a moment.

    Attributes:
        account: its number.
        secret: makes ids differ from those of other accounts.
        made: how many resources were ever made.
        records: what exists, in the order in which it was made.
    """

    account: str = DEFAULT_ID
    secret: str = ""
    made: int = 0
    records: list[Record] = field(default_factory=list)

    def next_seed(self, urn: str) -> str:
        """What the digits of the next resource follow from."""
        self.made += 1
        return f"{self.secret}:{self.made}:{urn}:"

    def find(self, token: str, identifier: str) -> Record | None:
        """A resource by its id."""
        return next(iter(r for r in self.of(token) if r.identifier == identifier), None)

    def of(self, token: str) -> list[Record]:
        """All resources of a type."""
        return [record for record in self.records if record.token == token]

    def remove(self, gone: Iterable[Record]) -> None:
        """Takes resources out."""
        ids = {id(record) for record in gone}
        self.records = [record for record in self.records if id(record) not in ids]


@dataclass(frozen=True)
class Account:
    """The file.

    Attributes:
        path: where it is; it is made when the first resource is.
        number: of the account when the file is made.
    """

    path: Path
    number: str = DEFAULT_ID

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], allowed: Iterable[str] = ()) -> "Account | None":
        """The account that the environment names, if it names one."""
        number = environment.get(ID_VARIABLE) or next(iter(allowed), DEFAULT_ID)
        path = environment.get(VARIABLE)
        return cls(Path(path).resolve(), number) if path else None

    def look(self) -> Holdings:
        """What it holds now.

        Raises:
            RefusedError: the file is there, but holds something else.
        """
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return Holdings(**{**content, "records": [Record(**record) for record in content["records"]]})
        except FileNotFoundError:
            return Holdings(self.number, secrets.token_hex(8))
        except (ValueError, TypeError, KeyError) as error:
            message = f"{self.path} holds no simulated account ({error}); name another file in {VARIABLE}"
            raise RefusedError(message) from error

    @contextlib.contextmanager
    def change(self) -> Iterator[Holdings]:
        """What it holds, to be changed; nothing is kept when the block raises."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock", timeout=_LOCK_SECONDS, is_singleton=False):
            holdings = self.look()
            yield holdings
            # Renamed into place: who looks at this moment finds the old content or the new, never half of one.
            partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            partial.write_text(json.dumps(asdict(holdings), indent=1), encoding="utf-8")
            partial.replace(self.path)
