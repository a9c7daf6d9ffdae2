"""The rollout of a challenger: a pointer beside the champion's, moved by compare-and-swap; every step of it is kept.

    <model>/rollout.json               the newest step
    <model>/rollouts/00000001.json     every step, by its number; the newest may be in rollout.json alone

A step names the champion that it was begun against, by version and tag: once that one is no longer champion, the
rollout is over, whoever moved the pointer and whether or not somebody wrote it down here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from lifecycle.manifest import Version
from lifecycle.registry import Champion, ModelRefusedError
from lifecycle.store import ObjectStore, ObjectTooLargeError

RolloutMode: TypeAlias = Literal["shadow", "canary"]
"""shadow: scores beside the champion, and nobody is answered by it. canary: answers a share of the requests."""

RolloutState: TypeAlias = Literal["shadow", "canary", "promoted", "taken_back"]

TakenBackCause: TypeAlias = Literal[
    "error_rate",
    "latency",
    "prediction_drift",
    "refused_by_scoring",
    "unobserved",
    "stalled",
    "champion_changed",
    "person",
]

_LIMIT_BYTES: Final = 4096


class RolloutStep(BaseModel):
    """One step of a rollout: who serves what share of the requests, since when, and who said so why."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    sequence: Annotated[int, Field(ge=1, le=99_999_999)]
    version: Version
    """The challenger."""
    state: RolloutState
    share: Annotated[float, Field(ge=0, le=1)]
    """Of the requests, that the challenger answers or, as a shadow, scores too."""
    champion_version: Version
    champion_tag: str
    entered_at: AwareDatetime
    actor: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    cause: TakenBackCause | None = None
    """Why it was taken back; null for every other step."""

    @property
    def running(self) -> bool:
        """Whether the challenger is on trial."""
        return self.state in {"shadow", "canary"}

    @property
    def champion(self) -> Champion:
        """Whom it is on trial against."""
        return Champion(self.champion_version, self.champion_tag)

    def then(
        self, state: RolloutState, share: float, actor: str, reason: str, cause: TakenBackCause | None = None
    ) -> "RolloutStep":
        """The step of the same rollout that follows this one."""
        return self.model_copy(
            update={
                "sequence": self.sequence + 1,
                "state": state,
                "share": share,
                "entered_at": datetime.now(UTC),
                "actor": actor,
                "reason": reason[:1000],
                "cause": cause,
            }
        )

    def to_json(self) -> bytes:
        """The step as it is stored, in the pointer and in the history."""
        return self.model_dump_json().encode()


@dataclass(frozen=True, slots=True)
class CurrentStep:
    """The newest step, and the tag of the object that says so."""

    step: RolloutStep
    e_tag: str


class RolloutRunningError(Exception):
    """Another challenger is on trial."""

    def __init__(self, model: str, version: int, running: int) -> None:
        """Args: the model, the version that was to be tried, the one that is on trial."""
        message = f"version {version} of {model} is not rolled out: version {running} is on trial; abort that first"
        super().__init__(message)


class RolloutChangedError(Exception):
    """Somebody else moved the rollout meanwhile."""

    def __init__(self, model: str) -> None:
        """Args: the model."""
        super().__init__(f"the rollout of {model} was moved by somebody else meanwhile; look again")


class NoRolloutError(Exception):
    """There is nothing to abort."""

    def __init__(self, model: str) -> None:
        """Args: the model."""
        super().__init__(f"no version of {model} is on trial")


class Rollouts:
    """The rollouts of one model. Every method may raise StoreUnavailableError."""

    def __init__(self, store: ObjectStore, model: str) -> None:
        """Args: the store that holds the registry, and the model's name."""
        self._store = store
        self.model: Final = model

    def current(self) -> CurrentStep | None:
        """The newest step, of a rollout that runs or of the last one; None before the first.

        Raises:
            ModelRefusedError: it is there but cannot be read.
        """
        try:
            blob = self._store.get(self._pointer_key, limit_bytes=_LIMIT_BYTES)
            return None if blob is None else CurrentStep(RolloutStep.model_validate_json(blob.data), blob.e_tag)
        except (ValidationError, ObjectTooLargeError):
            message = f"{self._pointer_key} must be a step of a rollout, and is not"
            raise ModelRefusedError("rollout_invalid", message) from None

    def has_moved(self, seen: CurrentStep) -> bool:
        """Whether there is a newer step than this one."""
        return self._store.changed(self._pointer_key, seen.e_tag)

    def history(self, after: int = 0) -> list[RolloutStep]:
        """Every step after the one of this number, oldest first.

        Raises:
            ModelRefusedError: a step is missing or cannot be read.
        """
        # The pointer first: what is older than it is in the history already.
        current = self.current()
        if current is None:
            return []
        newest = current.step
        older = [self._step(number) for number in range(after + 1, newest.sequence)]
        return [*older, newest] if newest.sequence > after else []

    def begin(self, version: int, mode: RolloutMode, champion: Champion, *, actor: str, reason: str) -> RolloutStep:
        """Puts a version on trial, with no share yet; one that is on trial already stays as it is.

        Args:
            version: the challenger.
            mode: how it is tried.
            champion: whom it is tried against, as `ModelRegistry.champion` gave it.
            actor: who begins it.
            reason: why.

        Raises:
            RolloutRunningError: another version is on trial.
            RolloutChangedError: somebody else began one at the same time.
            ModelRefusedError: the pointer cannot be read.
        """
        current = self.current()
        if current is not None and current.step.running:
            if current.step.version == version:
                return current.step
            raise RolloutRunningError(self.model, version, current.step.version)
        step = RolloutStep(
            sequence=1 if current is None else current.step.sequence + 1,
            version=version,
            state=mode,
            share=0.0,
            champion_version=champion.version,
            champion_tag=champion.e_tag,
            entered_at=datetime.now(UTC),
            actor=actor,
            reason=reason[:1000],
        )
        self.move(current, step)
        return step

    def abort(self, *, actor: str, reason: str) -> RolloutStep:
        """Takes the challenger back that is on trial.

        Raises:
            NoRolloutError: none is.
            RolloutChangedError: somebody else moved it meanwhile.
            ModelRefusedError: the pointer cannot be read.
        """
        current = self.current()
        if current is None or not current.step.running:
            raise NoRolloutError(self.model)
        step = current.step.then("taken_back", 0.0, actor, reason, "person")
        self.move(current, step)
        return step

    def move(self, current: CurrentStep | None, step: RolloutStep) -> None:
        """Takes the step that follows the one that was seen.

        Safe at any interruption, as the champion's pointer is: it holds its own entry of the history, and nobody moves
        it on before that entry is written out.

        Raises:
            RolloutChangedError: somebody else took one meanwhile.
            ModelRefusedError: the pointer cannot be read.
        """
        if current is None:
            moved = self._store.create(self._pointer_key, step.to_json())
        else:
            self._record(current.step)
            moved = self._store.replace(self._pointer_key, step.to_json(), current.e_tag)
        # A write whose answer was lost is retried and then meets its own result: that is a success.
        if not moved and (found := self.current()) is not None and found.step == step:
            moved = True
        if not moved:
            raise RolloutChangedError(self.model)
        self._record(step)

    def _record(self, step: RolloutStep) -> None:
        """Writes a step into the history; whoever comes second finds the same bytes."""
        self._store.create(self._step_key(step.sequence), step.to_json())

    def _step(self, sequence: int) -> RolloutStep:
        key = self._step_key(sequence)
        try:
            blob = self._store.get(key, limit_bytes=_LIMIT_BYTES)
            if blob is None:
                raise ModelRefusedError("rollout_invalid", f"{key} does not exist")
            return RolloutStep.model_validate_json(blob.data)
        except (ValidationError, ObjectTooLargeError):
            raise ModelRefusedError("rollout_invalid", f"{key} is not a step of a rollout") from None

    @property
    def _pointer_key(self) -> str:
        return f"{self.model}/rollout.json"

    def _step_key(self, sequence: int) -> str:
        return f"{self.model}/rollouts/{sequence:08d}.json"
