"""What a client is told when a request is not answered: one form, a fixed list of codes, never an exception's text."""

from typing import Final, Literal, TypeAlias

import msgspec
from lifecycle.features import FeatureErrorCode

ErrorCode: TypeAlias = (
    FeatureErrorCode
    | Literal[
        "invalid_json",
        "not_utf8",
        "too_deep",
        "wrong_shape",
        "unknown_field",
        "missing_field",
        "doubled_key",
        "no_rows",
        "too_many_rows",
        "no_score",
        "body_too_large",
        "body_too_slow",
        "body_incomplete",
        "unsupported_media_type",
        "wrong_datatype",
        "unknown_output",
        "unknown_label",
        "unknown_model",
        "unknown_version",
        "unauthorized",
        "too_many_requests",
        "too_slow",
        "log_off",
        "log_unavailable",
        "not_found",
        "method_not_allowed",
        "bad_request",
        "starting",
        "waiting_for_champion",
        "store_unavailable",
        "model_refused",
        "draining",
        "internal",
    ]
)


class ErrorBody(msgspec.Struct, frozen=True):
    """Why a request was not answered."""

    code: ErrorCode
    message: str
    field: str | None = None
    """Where in the request body, for example rows[0].car_value; null when no place in it is at fault."""


class ErrorResponse(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: ErrorBody


class RequestError(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        code: ErrorCode,
        message: str,
        field: str | None = None,
        *,
        feature: str | None = None,
        close: bool = False,
    ) -> None:
        """What to answer.

        Args:
            status: of HTTP.
            code: from the fixed list.
            message: what the client may read.
            field: where in the request.
            feature: the feature that has an unknown category.
            close: whether to close the connection afterwards.
        """
        super().__init__(message)
        self.status: Final = status
        self.body: Final = ErrorResponse(ErrorBody(code, message, field))
        self.feature: Final = feature
        self.close: Final = close
