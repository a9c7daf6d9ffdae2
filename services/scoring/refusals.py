"""How a refusal looks on the wire: in the form of /v1, or in that of the Open Inference Protocol."""

from typing import Final

from scoring.errors import ErrorBody, ErrorResponse, RequestError
from scoring.open_inference import InferError
from scoring.wire import encode_json

_RETRY_AFTER_SECONDS: Final = {429: b"1", 503: b"2"}
_FAILED: Final = "The service failed; the request may be sent again."

INTERNAL: Final = {
    False: encode_json(ErrorResponse(ErrorBody("internal", _FAILED))),
    True: encode_json(InferError(_FAILED)),
}
"""What a client is told of a defect; the key says whether in the protocol's form."""


def refusal(error: RequestError, *, open_inference: bool) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Body and further headers of the answer to a request that is refused."""
    headers = []
    if error.status in _RETRY_AFTER_SECONDS:
        headers.append((b"retry-after", _RETRY_AFTER_SECONDS[error.status]))
    if error.status == 401:  # noqa: PLR2004 - reads best as the number
        headers.append((b"www-authenticate", b"Bearer"))
    if error.close:
        headers.append((b"connection", b"close"))
    if not open_inference:
        return encode_json(error.body), headers
    said = error.body.error
    return encode_json(InferError(f"{said.field}: {said.message}" if said.field else said.message)), headers
