"""Every line is JSON, and no line repeats what an exception says."""

import json
import logging

import pytest
import structlog
from lifecycle.logs import configure_logging, error_facts

pytestmark = pytest.mark.usefixtures("own_logging")


def test_our_lines_and_those_of_libraries_have_one_form(capsys: pytest.CaptureFixture[str]) -> None:
    """Event, service, level and time, whoever writes."""
    configure_logging("test")
    structlog.stdlib.get_logger().info("ours", rows=3)
    logging.getLogger("library").warning("theirs %d", 4)
    ours, theirs = map(json.loads, capsys.readouterr().out.splitlines())
    assert (ours["event"], ours["rows"], ours["service"], ours["level"]) == ("ours", 3, "test", "info")
    assert (theirs["event"], theirs["logger"], theirs["service"]) == ("theirs 4", "library", "test")
    assert ours["timestamp"].endswith("Z")


@pytest.mark.parametrize(("level", "lines"), [("INFO", 0), ("DEBUG", 1)])
def test_what_an_http_client_says_of_each_request_is_for_debugging(
    level: str, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a service does stands among it otherwise."""
    configure_logging("test", level)
    logging.getLogger("httpx2").info("HTTP Request")
    assert len(capsys.readouterr().out.splitlines()) == lines


def test_a_library_s_traceback_becomes_type_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    """The text of an exception can quote a payload."""
    configure_logging("test")
    try:
        int("a secret payload")
    except ValueError:
        logging.getLogger("library").exception("failed")
    output = capsys.readouterr().out
    line = json.loads(output)
    assert line["error_type"] == "ValueError"
    assert "test_logs.py" in line["error_trace"][0]
    assert "secret" not in output


def test_error_facts_leave_the_message_out() -> None:
    """Only where it happened, and what kind."""
    try:
        float("a secret payload")
    except ValueError as error:
        facts = error_facts(error)
    assert facts["error_type"] == "ValueError"
    assert "secret" not in str(facts)
