"""What the load asks: rows as in training, one a request."""

from typing import Final

from scoring.wire import encode_json

from toolchain.demo.rows import DRIFT_BEGINS, rows

_MOST: Final = 5000


def bodies() -> list[bytes]:
    """In JSON, no two of the same row."""
    return [encode_json({"rows": [row.features]}) for row in rows()[: min(_MOST, DRIFT_BEGINS)]]
