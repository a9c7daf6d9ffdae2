"""The model that serves, as one reference that readers take once for each request."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from lifecycle.manifest import Manifest

from scoring.answers import AnswerWriter
from scoring.predictor import Predictor
from scoring.rows import RowReader
from scoring.wire import ModelReference

if TYPE_CHECKING:
    from scoring.challenger import Challenger

NotReadyCode: TypeAlias = Literal["starting", "waiting_for_champion", "store_unavailable", "model_refused"]


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A model that was loaded and checked.

    Equal to itself alone: to compare manifests took 6 us a request where two models take turns, as in a canary.
    """

    manifest: Manifest
    predictor: Predictor
    reader: RowReader = field(init=False)
    """Reads rows of this model's features."""
    writer: AnswerWriter = field(init=False)
    """Writes its answers."""

    def __post_init__(self) -> None:
        """Prepares both ways, so that a model that is served costs its first request nothing."""
        object.__setattr__(self, "reader", RowReader(self.manifest.feature_schema, self.manifest.guard))
        object.__setattr__(self, "writer", AnswerWriter(self.manifest))

    @property
    def reference(self) -> ModelReference:
        """What answers call it."""
        return ModelReference(self.manifest.model, self.manifest.version)


@dataclass(frozen=True, slots=True)
class NotReady:
    """Why there is no model yet."""

    code: NotReadyCode
    message: str


STARTING: Final = NotReady("starting", "The champion is being loaded.")


class ChampionHolder:
    """Holds the serving model, or why there is none. Written by the loaders, read by requests, on one event loop."""

    def __init__(self) -> None:
        """Starts empty."""
        self.current: ServedModel | NotReady = STARTING
        self.challenger: Challenger | None = None
        """Whom the serving model has beside it while a rollout goes on."""
