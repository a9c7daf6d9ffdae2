"""`python3 -m retraining.receiver.ask`: the calendar asks the receiver for a run of MODEL_NAME.

Exit status: 0 asked, whatever was decided; 1 the receiver did not answer; 2 the configuration is wrong.
"""

import sys
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx2
import structlog
from lifecycle.logs import configure_logging
from lifecycle.manifest import ModelName
from lifecycle.settings import ConfigurationError, read_settings
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_TIMEOUT_SECONDS: Final = 30
_DECIDED: Final = (HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT)
"""A run has started, or none may now: both are an answer."""


class AskSettings(BaseSettings):
    """Environment variables named ASK_<SETTING>."""

    model_config = SettingsConfigDict(env_prefix="ASK_", frozen=True)

    url: str = Field(pattern=r"^https?://\S+$", description="The receiver.")
    model: ModelName = Field(description="Whose run is asked for.")
    token_file: Path = Field(description="Holds what the receiver wants to be shown.")


def main() -> int:
    """Asks once, and gives the exit status."""
    configure_logging("calendar")
    log = structlog.stdlib.get_logger()
    try:
        settings = read_settings(AskSettings)
    except ConfigurationError as error:
        structlog.stdlib.get_logger().error("configuration_invalid", problems=error.problems)
        return 2
    try:
        answer = httpx2.post(
            f"{settings.url}/v1/retrain",
            json={"model": settings.model, "trigger": "calendar"},
            headers={"authorization": f"Bearer {settings.token_file.read_text().strip()}"},
            timeout=_TIMEOUT_SECONDS,
        )
    except (httpx2.HTTPError, OSError) as error:
        log.warning("not_asked", model=settings.model, cause=type(error).__name__)
        return 1
    log.info("asked", model=settings.model, status=answer.status_code, answer=answer.text[:1000])
    return 0 if answer.status_code in _DECIDED else 1


if __name__ == "__main__":
    sys.exit(main())
