"""Whether a caller shows a token that a file holds."""

import hmac
from pathlib import Path


class NoTokenError(Exception):
    """There is nothing to compare with: the file is missing."""


def shows_token(authorization: str, file: Path) -> bool:
    """Whether an `Authorization` header is `Bearer` and the token; how long it takes says nothing of how much was.

    The file is read anew for each caller, so that another token is valid at once. An empty one is nobody's.

    Raises:
        NoTokenError: the file is missing.
    """
    try:
        token = file.read_bytes().strip()
    except OSError as error:
        raise NoTokenError(file.name) from error
    scheme, _, shown = authorization.partition(" ")
    return hmac.compare_digest(shown.strip().encode(), token) and scheme.lower() == "bearer" and bool(token)
