"""Structured logs: one JSON object a line on stdout, from our own code and from libraries alike."""

import logging
import sys
from typing import Final

import structlog

# No exc_info processor: a traceback's last line can quote a request. `error_facts` gives what is safe to write.
_SHARED: Final[tuple[structlog.typing.Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

_TALKATIVE: Final = ("httpx2",)
"""Tells each request at INFO: five every 15 s of a receiver that looks after a rollout."""


def configure_logging(service: str, level: str = "INFO") -> None:
    """Sends every log line of this process to stdout as JSON.

    Args:
        service: the name each line carries.
        level: the least severe level that is written.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, _drop_exception, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "DEBUG" else logging.WARNING)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


def error_facts(error: BaseException) -> dict[str, object]:
    """What may be logged of an unexpected error: its type and where it came from, not its text, which can hold data."""
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return {"error_type": type(error).__name__, "error_trace": frames}


def _drop_exception(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replaces a library's traceback by its type and place."""
    record = event.get("_record")
    if record is not None and record.exc_info:
        error = record.exc_info[1]
        record.exc_info = None
        record.exc_text = None
        if error is not None:
            event.update(error_facts(error))
    event.pop("exc_info", None)
    return event
