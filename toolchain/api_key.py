"""The API key that the toolchain shows to a stack's models, where they want one."""

import os
from typing import Final

API_KEY: Final = "SCORING_API_KEY"


def key_headers() -> dict[str, str]:
    """What a request for predictions carries; nothing where the variable is not set."""
    key = os.environ.get(API_KEY)
    return {"x-api-key": key} if key else {}
