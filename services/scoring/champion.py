"""The model that serves, as one reference that readers take once for each request."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from lifecycle.manifest import Manifest

from scoring.predictor import Predictor
from scoring.wire import ModelReference

NotReadyCode: TypeAlias = Literal["starting", "waiting_for_champion", "store_unavailable", "model_refused"]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that was loaded and checked."""

    manifest: Manifest
    predictor: Predictor

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
    """Holds the serving model, or why there is none. Written by the loader, read by requests, on one event loop."""

    def __init__(self) -> None:
        """Starts empty."""
        self.current: ServedModel | NotReady = STARTING
