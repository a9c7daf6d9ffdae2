"""What is kept of each run: what it set out to do, and how it ended.

<model>/runs/<run>/plan.json       written first, once: another attempt of the run does the same again
<model>/runs/<run>/outcome.json    written last, once
"""

from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeAlias, TypeVar

from lifecycle.manifest import ModelName, Version
from lifecycle.registry import Champion
from lifecycle.store import ObjectStore, ObjectTooLargeError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from retraining.settings import Mode, RunId, Trigger

Result: TypeAlias = Literal["promoted", "rolling_out", "passed", "refused", "failed"]
"""`rolling_out`: it passed and is on trial. `passed` is what a dry run says of one that would have been promoted."""

_LIMIT_BYTES: Final = 65_536
_Record = TypeVar("_Record", bound="_Stored")


class RunRecordError(Exception):
    """The store holds something else than the record of a run."""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Plan(_Stored):
    """What a run set out to do."""

    run: RunId
    job: str
    model: ModelName
    trigger: Trigger
    mode: Mode
    started_at: AwareDatetime
    until: AwareDatetime
    champion_version: Version
    champion_tag: str

    @property
    def champion(self) -> Champion:
        """The champion to be replaced."""
        return Champion(self.champion_version, self.champion_tag)


class Outcome(_Stored):
    """How a run ended."""

    run: RunId
    job: str
    model: ModelName
    trigger: Trigger
    result: Result
    cause: Annotated[str, Field(max_length=64)]
    """Empty where there was a promotion."""
    message: Annotated[str, Field(max_length=2000)]
    gates: tuple[str, ...] = ()
    """The gates that refused."""
    version: Version | None = None
    """The challenger, where there is one."""
    champion_version: Version | None = None
    """The champion that it was compared with."""
    figures: dict[str, float] = {}
    started_at: AwareDatetime
    finished_at: AwareDatetime


class RunStore:
    """The records of one model's runs. Every method may raise StoreUnavailableError and RunRecordError."""

    def __init__(self, store: ObjectStore, model: str) -> None:
        """Args: the store of the models, and the model's name."""
        self._store = store
        self._model = model

    def plan(self, run: str, make: Callable[[], Plan]) -> Plan:
        """The plan of a run: the first attempt makes it, the others follow it."""
        key = self._key(run, "plan")
        found = self._read(key, Plan)
        if found is not None:
            return found
        made = make()
        if self._store.create(key, _json(made)):
            return made
        return self._read(key, Plan) or made

    def outcome(self, run: str) -> Outcome | None:
        """How a run ended; None while it has not."""
        return self._read(self._key(run, "outcome"), Outcome)

    def finish(self, outcome: Outcome) -> Outcome:
        """Keeps an outcome; of several the first stays and is given back."""
        key = self._key(outcome.run, "outcome")
        if self._store.create(key, _json(outcome)):
            return outcome
        return self._read(key, Outcome) or outcome

    def runs(self) -> list[str]:
        """The runs that were begun, in no order."""
        return self._store.folders(f"{self._model}/runs")

    def _read(self, key: str, kind: type[_Record]) -> _Record | None:
        try:
            blob = self._store.get(key, limit_bytes=_LIMIT_BYTES)
            return None if blob is None else kind.model_validate_json(blob.data)
        except (ValidationError, ObjectTooLargeError):
            message = f"{key} is not the record of a run; remove it"
            raise RunRecordError(message) from None

    def _key(self, run: str, name: str) -> str:
        return f"{self._model}/runs/{run}/{name}.json"


def _json(record: _Stored) -> bytes:
    return record.model_dump_json(indent=2).encode() + b"\n"
