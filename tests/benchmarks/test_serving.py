"""The pure parts of the serving benchmark."""

import json
from pathlib import Path

import pytest

from benchmarks.serving import contestants, environments, report
from benchmarks.serving.contestants import CONTESTANTS, Contestant
from benchmarks.serving.dialects import ROWS_DIALECT, V2_DIALECT
from benchmarks.serving.load import Sample, parse
from benchmarks.serving.machine import BenchmarkError
from benchmarks.serving.workload import bodies_of, make_matrix

RESULT = {"requests": 2000, "duration_us": 2_000_000, "p50_us": 500, "p99_us": 2500}
ERRORS = {"connect": 1, "read": 2, "write": 0, "status": 200, "timeout": 3}
PRINTED = f"Running 2s test\n  Requests/sec:   1000.00\n\n{json.dumps(RESULT | ERRORS)}\n"


def test_every_contestant_is_listed() -> None:
    """results.json has exactly the keys that readers of it know."""
    assert list(CONTESTANTS) == [
        "bare_asgi",
        "c_call",
        "scoring_log_off",
        "scoring_log_async",
        "scoring_log_sync",
        "fastapi",
        "mlserver",
        "bentoml",
        "litserve",
        "rayserve",
    ]


@pytest.mark.parametrize("contestant", CONTESTANTS.values(), ids=lambda contestant: contestant.name)
def test_every_contestant_has_its_module_and_its_pins(contestant: Contestant) -> None:
    """A contestant is a module, an environment that is pinned, and the same LightGBM as the service."""
    folder = Path(contestants.__file__).parent
    assert (folder / f"{contestant.module}.py").is_file()
    own = environments.installed_version("scoring", "lightgbm")
    assert environments.installed_version(contestant.environment, "lightgbm") == own
    for package in contestant.packages:
        assert environments.installed_version(contestant.environment, package)


def test_the_log_mode_is_the_only_difference_between_the_services() -> None:
    """Off, async and sync are the same server, told otherwise by one variable."""
    found = {name: c.variables for name, c in CONTESTANTS.items() if c.module == "scoring"}
    assert found == {f"scoring_log_{mode}": {"SCORING_LOG_MODE": mode} for mode in ("off", "async", "sync")}


def test_the_generators_result_is_read() -> None:
    """Answers that are errors count as errors and not as requests served."""
    assert parse(PRINTED, server_seconds=1.8, generator_seconds=0.5) == Sample(900.0, 0.5, 2.5, 206, 900.0, 0.25)


@pytest.mark.parametrize(
    "printed",
    ["", "unable to connect\n", PRINTED.replace('"status": 200', '"status": 2000')],
    ids=["nothing", "no result", "errors only"],
)
def test_a_generator_without_a_good_answer_is_an_error(printed: str) -> None:
    """A dead server is never a number in the table."""
    with pytest.raises(BenchmarkError):
        parse(printed, server_seconds=0, generator_seconds=0)


def test_a_summary_is_the_median_of_the_rounds() -> None:
    """One disturbed round moves nothing, but its errors and the generator's load are told."""
    rounds = [Sample(100, 1, 2, 0, 8, 0.1), Sample(10, 50, 90, 7, 9, 0.95), Sample(110, 1.2, 3, 0, 8.5, 0.2)]
    assert report.summary(rounds) == {
        "requests_per_second": 100,
        "p50_ms": 1.2,
        "p99_ms": 3,
        "cpu_us": 8.5,
        "errors": 7,
        "generator_busy": 0.95,
    }


def _results(**rates: float) -> dict[str, object]:
    one = {
        name: {
            "requests_per_second": rate,
            "p50_ms": 1.0,
            "p99_ms": 1000 / rate,
            "cpu_us": 1.0,
            "errors": 0,
            "version": "1",
        }
        for name, rate in rates.items()
    }
    machine = {"cores": 2, "cpu": "a", "kernel": "6", "python": "3.11.7", "load_average_at_start": 0.1}
    run = {"date": "d", "commit": "c", "command": "m", "machine": machine, "rounds": 3, "seconds": 5}
    return {**one, "run": run, "batch": dict(one), "work": {"work_us": 36.0, "c_call_us": 12.0}}


def test_the_results_hold_what_their_readers_know() -> None:
    """Exactly the contestants and, of each, exactly these keys: what else was measured is in the details."""
    details = _results(**dict.fromkeys(CONTESTANTS, 1000.0))
    found = report.results(details)
    assert list(found) == list(CONTESTANTS)
    one = {"requests_per_second": 1000.0, "p50_ms": 1.0, "p99_ms": 1.0, "errors": 0, "version": "1"}
    assert list(found.values()) == [one] * len(CONTESTANTS)


def test_the_page_says_when_and_where() -> None:
    """A number without its machine and its date is none."""
    text = report.markdown(_results(bare_asgi=1000, scoring_log_off=500))
    assert "d, commit c, `m`." in text
    assert "2 cores, a, Linux 6, Python 3.11.7; load average at the start 0.1." in text


def test_the_tables_ratios() -> None:
    """Each line says its share of the bare application and how many times it each mode of the log is."""
    text = report.markdown(_results(bare_asgi=1000, scoring_log_off=500, scoring_log_async=400, mlserver=50))
    heading, _, *lines = text.partition("## One row a request\n\n")[2].partition("\n\n")[0].splitlines()
    assert heading.startswith("|  | of bare ASGI | log_off / this | log_async / this |")
    assert [line.split(" | ")[1:4] for line in lines] == [
        ["1", "0.5", "0.4"],
        ["0.5", "1", "0.8"],
        ["0.4", "1.25", "1"],
        ["0.05", "10", "8"],
    ]


def test_the_targets_are_judged() -> None:
    """What is met, missed and not measured are three different things."""
    text = report.markdown(_results(bare_asgi=1000, scoring_log_off=500, scoring_log_async=450, mlserver=50))
    words = [line.rsplit("|", 2)[1].strip() for line in text.partition("## Targets")[2].splitlines() if "| at " in line]
    assert words == ["missed", "met", "met", "not measured", "met", "not measured", "not measured", "missed"]


def test_a_busy_generator_is_told() -> None:
    """Numbers that may be the generator's own are marked as such."""
    results = _results(bare_asgi=1000, mlserver=50)
    assert "load generator" not in report.markdown(results)
    results["bare_asgi"] |= {"generator_busy": 0.95}  # type: ignore[operator] # a dictionary
    assert "The load generator used over 90% of its core with bare_asgi" in report.markdown(results)


def test_bodies_say_the_same_in_both_dialects() -> None:
    """The values of a body are the rows' own, named or as a tensor."""
    rows = bodies_of(make_matrix(), rows_per_body=2, count=3)[1]
    names = [f"n{index}" for index in range(len(rows[0]))]
    named = json.loads(ROWS_DIALECT.encode(names, rows))["rows"]
    tensor = json.loads(V2_DIALECT.encode(names, rows))["inputs"][0]
    assert [[row[name] for name in names] for row in named] == rows
    assert tensor["shape"] == [2, len(names)]
    assert tensor["data"] == [value for row in rows for value in row]


def test_answers_are_read_in_every_form() -> None:
    """The service names predictions, the others list probabilities, MLServer gives a tensor."""
    assert ROWS_DIALECT.decode(b'{"predictions":[{"probability":0.5},{"probability":0.25}]}') == [0.5, 0.25]
    assert ROWS_DIALECT.decode(b'{"probabilities":[0.5,0.25]}') == [0.5, 0.25]
    assert V2_DIALECT.decode(b'{"outputs":[{"data":[0.5,0.25]}]}') == [0.5, 0.25]
