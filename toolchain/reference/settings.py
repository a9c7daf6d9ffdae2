"""Every environment variable that a service reads."""

from typing import Final

from drift.settings import DriftSettings
from lifecycle.settings import PredictionStoreSettings, StoreSettings
from pydantic_settings import BaseSettings
from retraining.receiver.ask import AskSettings
from retraining.receiver.settings import ReceiverSettings
from retraining.rollout.settings import RolloutSettings
from retraining.settings import RetrainingSettings
from scoring.settings import ScoringSettings

from toolchain.paths import REPOSITORY

_SETTINGS: Final[dict[str, tuple[type[BaseSettings], ...]]] = {
    "every service": (StoreSettings, PredictionStoreSettings),
    "scoring": (ScoringSettings,),
    "drift": (DriftSettings,),
    "retraining": (RetrainingSettings,),
    "retraining's receiver, and who asks it by the calendar": (ReceiverSettings, RolloutSettings, AskSettings),
}


def page() -> str:
    """The page in Markdown."""
    lines = [
        "# Settings of the services",
        "",
        "Environment variables, written from the code by `make docs`. The stack sets them; a variable with a service's",
        "prefix that is none of these is refused at start.",
        "",
    ]
    for service, kinds in _SETTINGS.items():
        lines += [f"## {service}", "", "| variable | default | meaning |", "| --- | --- | --- |"]
        for kind in kinds:
            prefix = kind.model_config.get("env_prefix", "")
            for name, field in kind.model_fields.items():
                # Beside the services, wherever the checkout or the image has them.
                shown = str(field.default).removeprefix(f"{REPOSITORY}/")
                default = "required" if field.is_required() else "not set" if field.default is None else f"`{shown}`"
                lines.append(f"| `{prefix}{name}`".upper() + f" | {default} | {field.description} |")
        lines.append("")
    return "\n".join(lines)
