"""The tutorial, as a reader does it: a fresh clone, renamed, then every command in its order, until nothing is left."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest
import yaml
from lifecycle.prediction_log import PredictionLog
from lifecycle.store import ObjectStore

from tests.e2e.harness import ROOT, Stack, configure, eventually
from toolchain.cluster import node
from toolchain.cluster.settings import ClusterSettings
from toolchain.paths import cache_dir, state_dir
from toolchain.rehearsal.steps import STEPS

_TUTORIAL: Final = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
_CLUSTER: Final = ClusterSettings("my-first-fork", 1500)
"""Called as the fork is, for nobody says otherwise; on ports that neither a developer's nor the other tests' has."""

_HOURS: Final = timedelta(hours=2)
_DAY: Final = timedelta(days=1)


@dataclass
class Reader:
    """Who does the tutorial, and what they know so far.

    Attributes:
        clone: theirs.
        outputs: what `make outputs` printed.
        prediction_id: of the prediction that they asked for.
        champion: the version that serves.
    """

    clone: Path
    outputs: dict[str, Any] = field(default_factory=dict)
    prediction_id: str = ""
    champion: int = 1

    @property
    def stack(self) -> Stack:
        """Theirs, as the other tests look at one."""
        return Stack(self.outputs, _CLUSTER)

    def enter(self, command: str) -> str:
        """Runs a line of the tutorial in a shell, the placeholder filled in; gives all that it prints."""
        shown = _here(command).replace("<id of a prediction>", self.prediction_id)
        # A terminal of their own: neither a cloud's variables nor those that make hands on from `make test-e2e`.
        foreign = re.compile(r"AWS_|PULUMI_|MAKE|MFLAGS|(CLUSTER|CONFIRM|KUBE_CONTEXT|PYTHONPATH|REGISTRY)$")
        environment = {key: value for key, value in os.environ.items() if not foreign.match(key)}
        begun = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", shown],
            cwd=self.clone,
            env={**environment, "PORT_OFFSET": str(_CLUSTER.port_offset)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        # Shown with -s, and where an assertion fails.
        print(f"$ {shown}\n{done.stdout}\n({time.monotonic() - begun:.0f} s)\n")  # noqa: T201
        assert done.returncode == 0, f"{shown} ended with {done.returncode}:\n{done.stdout[-6000:]}"
        return done.stdout


def _here(text: str) -> str:
    """The addresses of a text where this test has them."""
    return re.sub(r"(?<=http://127\.0\.0\.1:)\d+", lambda found: str(int(found.group()) + _CLUSTER.port_offset), text)


def _document(said: str) -> Any:  # noqa: ANN401 - JSON
    """The first JSON object among what a command printed."""
    start = re.search(r"^\{", said, re.MULTILINE)
    assert start, said[-3000:]
    return json.JSONDecoder().raw_decode(said, start.start())[0]


def _prediction(reader: Reader, said: str) -> dict[str, Any]:
    """The one prediction of an answer that looks as the tutorial shows it."""
    answer = _document(said)
    assert answer["model"] == {"name": "car-loan", "version": reader.champion}
    (prediction,) = answer["predictions"]
    assert {"id", "probability", "class"} <= set(prediction)
    assert 0 <= prediction["probability"] <= 1
    return dict(prediction)


def it_ends_with_a_prediction_and_addresses(reader: Reader, said: str) -> None:
    """Of the first version, and the addresses of everything."""
    assert _prediction(reader, said)["class"] == "repaid"
    addresses = said.partition("where to look next:")[2]
    for name in ("prometheus", "alertmanager", "object_store"):
        port = _CLUSTER.relays[name][0]
        assert f"http://127.0.0.1:{port}" in addresses, name


def they_are_had_again(reader: Reader, said: str) -> None:
    """As one object, each of them reachable."""
    reader.outputs = _document(said)
    for name in ("scoring_url", "prometheus_url", "alertmanager_url", "object_store_url", "drift_url"):
        assert httpx.get(reader.outputs[name], timeout=20).status_code < 500, name


def it_answers_with_an_id(reader: Reader, said: str) -> None:
    """By which its truth can be told; the document of the API has the features of this very model."""
    reader.prediction_id = _prediction(reader, said)["id"]
    sample = json.loads((reader.clone / "models" / "car_loan" / "sample_request.json").read_text(encoding="utf-8"))
    described = httpx.get(f"{reader.outputs['scoring_url']}/openapi.json").json()["components"]["schemas"]["Row"]
    assert set(sample["rows"][0]) == set(described["properties"])


def the_truth_lies_beside_the_prediction(reader: Reader, said: str) -> None:
    """It is accepted, and the object store has both."""
    assert _document(said) == {"labels": [{"id": reader.prediction_id, "outcome": "accepted"}]}
    log = PredictionLog(ObjectStore(reader.stack.bucket("predictions")), "car-loan")
    now = datetime.now(UTC)

    def told() -> list[str]:
        table = log.labelled(now - _HOURS, now + _DAY, []).table
        return [row["prediction_id"] for row in table.to_pylist() if row["label"] is not None]

    assert eventually(told, lambda seen: reader.prediction_id in seen) == [reader.prediction_id]


def prometheus_counts_them(reader: Reader, said: str) -> None:
    """By version: the row of `make up` and the reader's own, once they are scraped; and the Watchdog fires."""
    assert _document(said)["status"] == "success"
    (command,) = (each for each in _steps() if "scoring_predictions_total" in str(each))

    def counted(said: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for sample in _document(said)["data"]["result"]:
            version = sample["metric"]["version"]
            found[version] = found.get(version, 0) + float(sample["value"][1])
        return found

    assert eventually(lambda: counted(reader.enter(str(command))), lambda seen: seen.get("1", 0) >= 2)["1"] == 2

    assert "Watchdog" in eventually(reader.stack.alerts, lambda seen: "Watchdog" in seen, 120)


def the_loop_closes_by_itself_and_loses_no_request(reader: Reader, said: str) -> None:
    """Drift, an estimate before any truth, the alert, a run, its gates, every replica's swap; and it was worth it."""
    folder = reader.clone / "build" / "demo"
    story = json.loads((folder / "story.json").read_text(encoding="utf-8"))
    assert story["requests"]["failed"] == 0
    former, new = story["versions"]
    assert former == 1 < new
    assert story["comparison"]["log_loss_gain"][0] > 0
    events = [(event["kind"], event["text"]) for event in story["events"]]
    order = [
        ("traffic", "cars are worth two thirds more from here on"),
        ("estimated", "not one drifted row's truth has been told so far"),
        ("alert", "FeatureDriftDetected fires"),
        ("gate", next(text for kind, text in events if kind == "gate" and text.startswith("promoted"))),
        ("swap", f"every replica serves version {new}"),
    ]
    places = [events.index(event) for event in order]
    assert places == sorted(places), said[-3000:]
    assert "FeatureDriftDetected fires" in said
    assert "cdn" not in (folder / "story.html").read_text(encoding="utf-8")[:2000]
    for address in re.findall(r"`(http://[^`]+)`", _here(_TUTORIAL)):
        assert httpx.get(address, timeout=20).status_code < 500, address
    reader.champion = new


def it_says_what_would_happen(_: Reader, said: str) -> None:
    """And nothing else would."""
    assert re.search(r"minReplicas\s*: 2 => 3", said)
    assert re.search(r"~ 1 to update", said)
    assert not re.search(r"(\+|-|\+-) \d+ to (create|delete|replace)", said)


def it_has_happened(reader: Reader, said: str) -> None:
    """Three pods serve, with the champion that the demo left."""
    _prediction(reader, said)
    ask = ("get", "deployment/scoring-car-loan", "--namespace=ml", "--output=jsonpath={.status.readyReplicas}")
    assert eventually(lambda: reader.stack.kubectl(*ask), lambda seen: seen == "3", 120) == "3"


def all_of_production_is_shown(_: Reader, said: str) -> None:
    """Of the fork's own name."""
    assert re.search(r'cluster_name +: "my-first-fork-prod"', said)
    for wanted in ("aws:eks:Cluster", "kubernetes:karpenter.sh/v1:NodePool", "kubernetes:apps/v1:Deployment"):
        assert wanted in said


def production_comes_up_scales_breaks_recovers_and_goes(reader: Reader, said: str) -> None:
    """Every step passes, and nothing keeps running."""
    document = json.loads((reader.clone / "build" / "rehearsal" / "prod.json").read_text(encoding="utf-8"))
    assert [step["title"] for step in document["steps"]] == [title for title, _ in STEPS]
    assert {step["verdict"] for step in document["steps"]} == {"passed"}
    assert "destroy refused: " in said


def the_stack_is_gone(reader: Reader, _: str) -> None:
    """No object of it is left in the cluster."""
    assert reader.stack.objects() == []


def nothing_is_left_but_the_cache(reader: Reader, _: str) -> None:
    """No process, no data of the node, no state of the stack, nothing that answers; the tools stay."""
    running = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert [line for line in running if str(_CLUSTER.folder) in line or str(reader.clone) in line] == []
    assert node.first_process(_CLUSTER) is None
    assert not _CLUSTER.folder.exists()
    assert not (state_dir() / "stacks" / _CLUSTER.name).exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(reader.outputs["scoring_url"])
    assert (cache_dir() / "bin" / "kubectl").exists()


_SEEN: Final[tuple[tuple[str, Callable[[Reader, str], None]], ...]] = (
    ("make up", it_ends_with_a_prediction_and_addresses),
    ("make outputs", they_are_had_again),
    ("curl -s http://127.0.0.1:30080/v1/predict", it_answers_with_an_id),
    ("curl -s http://127.0.0.1:30080/v1/labels", the_truth_lies_beside_the_prediction),
    ("curl -s 'http://127.0.0.1:30090/api/v1/query", prometheus_counts_them),
    ("make demo", the_loop_closes_by_itself_and_loses_no_request),
    ("make preview", it_says_what_would_happen),
    ("make up", it_has_happened),
    ("make preview ENV=prod", all_of_production_is_shown),
    ("make rehearse ENV=prod", production_comes_up_scales_breaks_recovers_and_goes),
    ("make destroy", the_stack_is_gone),
    ("make clean", nothing_is_left_but_the_cache),
)
"""By how its line begins, what is seen after each command of the tutorial."""


@dataclass(frozen=True)
class Edit:
    """What the tutorial asks to be set.

    Attributes:
        setting: in YAML.
        file: of the clone.
    """

    setting: str
    file: str

    def make(self, clone: Path) -> None:
        """As a reader who adds it to what is there."""
        configure(clone / self.file, yaml.safe_load(self.setting))


_STEP: Final = re.compile(
    r"^```sh\n(?P<commands>.*?)^```|^Set `(?P<setting>[^`]+)` in `(?P<file>[^`]+)`", re.MULTILINE | re.DOTALL
)


def _steps() -> Iterator[str | Edit]:
    """What the tutorial has its reader do, in order."""
    for found in _STEP.finditer(_TUTORIAL):
        if found["setting"]:
            yield Edit(found["setting"], found["file"])
        else:
            yield from found["commands"].splitlines()


def test_of_every_command_of_the_tutorial_it_is_known_what_one_sees() -> None:
    """A new one fails here until somebody has looked."""
    commands = [step for step in _steps() if isinstance(step, str)]
    assert len([step for step in _steps() if isinstance(step, Edit)]) == 1
    for command, (begins, _) in zip(commands, _SEEN, strict=True):
        assert command.startswith(begins)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """With a fresh clone in an empty folder, this checkout's changes in it; whatever happens, the cluster goes."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    changes = subprocess.run(["git", "diff", "--binary", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    if changes:
        subprocess.run(["git", "apply"], cwd=clone, input=changes, check=True)
    one = Reader(clone)
    try:
        yield one
    finally:
        one.enter("make clean")


@pytest.mark.e2e
@pytest.mark.timeout(2700)
def test_the_tutorial_ends_where_it_says_in_a_renamed_clone(reader: Reader) -> None:
    """In one go, and after each step what it promises is there."""
    reader.enter("make init-fork NAME=my-first-fork ORG=acme")
    assert "name: my-first-fork\n" in (reader.clone / "Pulumi.yaml").read_text(encoding="utf-8")
    looks = iter(_SEEN)
    for step in _steps():
        if isinstance(step, Edit):
            step.make(reader.clone)
        else:
            _, look = next(looks)
            look(reader, reader.enter(step))
