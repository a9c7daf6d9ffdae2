"""A run ends with a champion that passed every gate, or with a refusal that says why and leaves the champion alone."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import lightgbm as lgb
import numpy as np
import obstore
import pyarrow as pa  # type: ignore[import-untyped] # pyarrow ships no types
import pytest
from lifecycle.prediction_log import hour_prefix, prediction_columns
from lifecycle.registry import ModelRegistry
from lifecycle.store import ObjectStore, StoreUnavailableError
from obstore.store import MemoryStore
from retraining.evidence import Evidence
from retraining.recipe import read_recipe
from tests.services.retraining.conftest import BEGIN, ROWS, World, put, row_id

EVIDENCE = "car-loan/versions/00000002/evidence.json"
CARD = "car-loan/versions/00000002/model_card.html"


def _evidence(world: World) -> Evidence:
    return Evidence.model_validate_json(bytes(obstore.get(world.backend, EVIDENCE).bytes()))


def test_a_fit_challenger_becomes_champion(world: World) -> None:
    """With its manifest, reference, evidence and card, and a history that says who and why."""
    world.label()
    outcome = world.retrain()
    assert (outcome.result, outcome.version, outcome.champion_version) == ("promoted", 2, 1)
    assert world.champion() == 2
    manifest = world.registry.load(2).manifest
    assert manifest.training.parent_version == 1
    assert manifest.training.rows + manifest.training.holdout_rows == ROWS
    assert manifest.training.holdout_rows == 600
    assert manifest.training.window.start == BEGIN
    assert world.registry.reference(2).num_rows == 600
    evidence = _evidence(world)
    assert evidence.passed
    assert {gate.gate for gate in evidence.gates} >= {"rows", "metric", "slices", "calibration", "leak", "parity"}
    newest = world.registry.history()[-1]
    assert newest.actor == "retraining/person"
    assert "metric: AUC" in newest.reason


def test_the_card_is_one_page_with_plots_that_fetches_nothing(world: World) -> None:
    """Every gate is on it, and no address."""
    world.label()
    world.retrain()
    page = bytes(obstore.get(world.backend, CARD).bytes()).decode()
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert not {"src", "href"} & {name for name, _ in attrs}

    Reader().feed(page)
    assert tags.count("svg") == 3
    assert tags.count("polyline") == 4
    assert "script" not in tags
    assert all(f"<td>{gate.gate}</td>" in page for gate in _evidence(world).gates)


def test_the_same_run_on_the_same_data_makes_the_same_bytes(new_world: Callable[[], World]) -> None:
    """In two stores that know nothing of each other."""
    texts = []
    for _ in range(2):
        world = new_world()
        world.label()
        world.retrain()
        texts.append(world.registry.load(2).text)
    assert texts[0] == texts[1]


def test_the_holdout_begins_after_what_the_champion_was_trained_on(world: World) -> None:
    """A second run judges by rows that the first one's challenger never saw, or not at all."""
    world.label()
    world.retrain()
    trained_until = world.registry.manifest(2).training.window.end
    outcome = world.retrain(run="run-2")
    assert (outcome.result, outcome.cause) == ("refused", "same_model")
    cut_short = world.retrain(run="run-3", since=BEGIN + timedelta(minutes=30))
    manifest = world.registry.manifest(3)
    assert cut_short.champion_version == 2
    assert manifest.training.holdout_window.start > trained_until
    assert manifest.training.holdout_rows == 500


def test_a_run_waits_for_what_scoring_holds_back_and_reads_up_to_its_own_begin(world: World) -> None:
    """A label sent just before a person asks is in it; another attempt, later, need not wait."""
    waited: list[float] = []

    def arrive(seconds: float) -> None:
        waited.append(seconds)
        world.label()

    world.wait = arrive
    assert world.retrain(settle_seconds=600).result == "promoted"
    assert waited == [pytest.approx(600, abs=30)]


def test_a_run_that_ended_is_not_run_again(world: World) -> None:
    """Another attempt gives the first one's answer."""
    world.label()
    first = world.retrain()
    assert world.retrain(models_folder=Path("/nonexistent")) == first
    assert world.registry.versions() == [1, 2]


def test_a_dry_run_does_everything_but_promote(world: World) -> None:
    """The version is there, with its evidence, for a person to promote."""
    world.label()
    outcome = world.retrain(mode="dry_run")
    assert (outcome.result, outcome.cause, outcome.version) == ("passed", "dry_run", 2)
    assert world.champion() == 1
    assert _evidence(world).passed


@pytest.mark.parametrize("mode", ["shadow", "canary"])
def test_with_a_rollout_a_fit_challenger_is_put_on_trial_instead(world: World, mode: str) -> None:
    """The champion stays for now; another attempt that was killed before its outcome begins no second one."""
    world.label()
    outcome = world.retrain(rollout=mode)
    assert (outcome.result, outcome.version, world.champion()) == ("rolling_out", 2, 1)
    (step,) = world.rollouts.history()
    assert (step.version, step.state, step.share, step.champion) == (2, mode, 0.0, world.registry.champion())
    assert "metric: AUC" in step.reason
    world.rollouts.abort(actor="test", reason="test")
    obstore.delete(world.backend, "car-loan/runs/run-1/outcome.json")
    assert world.retrain(rollout=mode).result == "rolling_out"
    assert len(world.rollouts.history()) == 2


def test_while_another_version_is_on_trial_none_is_put_on_trial(world: World) -> None:
    """Refused, with its cause; it is a version all the same."""
    world.label()
    champion = world.registry.champion()
    assert champion is not None
    world.rollouts.begin(7, "canary", champion, actor="test", reason="test")
    outcome = world.retrain(rollout="canary")
    assert (outcome.result, outcome.cause, outcome.version) == ("refused", "rollout_running", 2)
    assert len(world.rollouts.history()) == 1


def test_a_shadows_predictions_do_not_hide_the_champions(world: World) -> None:
    """The log has both by one id; the first one, which was answered, is what is trained on."""
    world.label()
    manifest = world.registry.manifest(1)
    table = world.log.predictions(BEGIN, BEGIN + timedelta(hours=3)).table
    later = pa.array([moment + timedelta(milliseconds=1) for moment in table["time"].to_pylist()], table["time"].type)
    shadows = table.set_column(table.column_names.index("time"), "time", later)
    place = shadows.column_names.index("role")
    shadows = shadows.set_column(place, "role", pa.repeat("shadow", len(table))).cast(prediction_columns(manifest))
    put(world.store, f"{hour_prefix('car-loan', 'predictions', BEGIN)}/shadow.parquet", shadows)
    found = world.log.predictions(BEGIN, BEGIN + timedelta(hours=3)).table
    assert found.num_rows == ROWS
    assert set(found["role"].to_pylist()) == {"champion"}


@dataclass(frozen=True)
class BadInput:
    """What was done to the labels, and what the run says of it."""

    cause: str
    said: str
    labels: Callable[[Sequence[float]], list[tuple[int, float]]]
    """Rows and their labels, in the order in which they arrive."""


def _disputed(labels: Sequence[float]) -> list[tuple[int, float]]:
    return [*enumerate(labels), *((row, 1 - labels[row]) for row in range(100))]


BAD_INPUTS = [
    BadInput("no_labels", "none of the 3000 predictions", lambda _: []),
    BadInput("too_few_rows", "200 labelled rows; 1500 are needed", lambda labels: list(enumerate(labels[:200]))),
    BadInput(
        "one_class", "all 3000 labelled rows are of one class", lambda labels: [(n, 1) for n in range(len(labels))]
    ),
    BadInput("one_class", "newest", lambda labels: [(n, 1 if n >= 2400 else x) for n, x in enumerate(labels)]),
    BadInput(
        "labels_unknown",
        "3000 of 3000 labels belong to no prediction",
        lambda labels: [(n + 10**6, x) for n, x in enumerate(labels)],
    ),
    BadInput("labels_invalid", "1 labels are neither 0 nor 1", lambda labels: [(0, 0.5), *enumerate(labels)]),
    BadInput("labels_contradict", "100 of 3000 labelled predictions", _disputed),
]


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: f"{bad.cause}-{bad.said.split()[0]}")
def test_labels_that_will_not_do_are_refused_with_their_cause(world: World, bad: BadInput) -> None:
    """No version is made, and the champion serves on."""
    world.label(bad.labels(list(world.rows.labels)))
    outcome = world.retrain()
    assert (outcome.result, outcome.cause) == ("refused", bad.cause)
    assert bad.said in outcome.message
    assert world.registry.versions() == [1]
    assert world.champion() == 1
    assert world.runs.outcome("run-1") == outcome


def test_labels_given_twice_count_once_and_a_few_disputed_ones_are_left_out(world: World) -> None:
    """As do those of predictions that the window does not hold."""
    labels = list(world.rows.labels)
    world.label([*enumerate(labels), *((row, 1 - labels[row]) for row in range(10)), (10**6, 1.0)])
    world.label(list(enumerate(labels[:500])), part="b")
    outcome = world.retrain()
    assert outcome.result == "promoted"
    figures = outcome.figures
    assert figures["rows"] == ROWS - 10
    assert (figures["labels_contradicting"], figures["labels_unknown"]) == (10, 1)


def test_a_window_that_begins_before_the_log_is_refused_where_it_was_asked_for(world: World) -> None:
    """The setting that every run has is a limit: a younger log gives what it has."""
    world.label()
    refused = world.retrain(since=BEGIN - timedelta(days=1))
    assert (refused.cause, "ask for a later begin" in refused.message) == ("window_wider_than_data", True)
    assert world.retrain(run="run-2", window_days=300).result == "promoted"


def test_an_empty_log_and_a_registry_without_champion_are_refused(world: World) -> None:
    """Each with its cause."""
    for store in (MemoryStore(), world.backend):
        for object_ in ObjectStore(world.backend).list("car-loan/predictions"):
            obstore.delete(world.backend, object_.key)
        refused = World(store, world.settings, world.rows).retrain()
        assert refused.cause == ("no_predictions" if store is world.backend else "no_champion")


def _with_recipe(world: World, tmp_path: Path, old: str, new: str) -> Path:
    text = (world.settings.models_folder / "car_loan/recipe.toml").read_text()
    assert old in text
    (tmp_path / "car_loan").mkdir()
    (tmp_path / "car_loan/recipe.toml").write_text(text.replace(old, new))
    return tmp_path


def test_a_recipe_with_an_unknown_parameter_fails_the_run_by_name(world: World, tmp_path: Path) -> None:
    """LightGBM itself would take no notice of it."""
    world.label()
    outcome = world.retrain(models_folder=_with_recipe(world, tmp_path, "num_leaves", "num_leafs"))
    assert (outcome.result, outcome.cause) == ("failed", "recipe_invalid")
    assert "does not know: num_leafs" in outcome.message
    assert world.registry.versions() == [1]


@pytest.mark.parametrize(
    ("old", "new", "device", "said"),
    [("num_leaves = 31", "num_leaves = 1", "cpu", "num_leaves"), ("", "", "cuda", "CUDA")],
    ids=["a-value-out-of-range", "a-device-that-is-not-there"],
)
def test_a_training_that_cannot_run_fails_with_lightgbms_own_words(
    world: World, tmp_path: Path, old: str, new: str, device: str, said: str
) -> None:
    """And is not tried again: it would end the same."""
    world.label()
    models = _with_recipe(world, tmp_path, old, new) if old else world.settings.models_folder
    outcome = world.retrain(models_folder=models, device_type=device)
    assert (outcome.result, outcome.cause) == ("failed", "training_failed")
    assert said in outcome.message
    assert world.registry.versions() == [1]


def test_shuffled_labels_are_refused_by_the_metric(world: World) -> None:
    """The truth of the training rows was mixed up; that of the holdout is right."""
    labels = world.rows.labels.copy()
    labels[:2400] = np.random.default_rng(0).permutation(labels[:2400])
    world.label(list(enumerate(labels)))
    outcome = world.retrain()
    assert (outcome.result, outcome.cause) == ("refused", "gates")
    assert "metric" in outcome.gates
    assert world.champion() == 1
    assert _evidence(world).refusals == outcome.gates


def test_truncated_features_are_refused_by_the_schema(world: World, tmp_path: Path) -> None:
    """The recipe lost a column that clients send."""
    world.label()
    text = (world.settings.models_folder / "car_loan/recipe.toml").read_text()
    begin = text.index('[[features]]\nname = "driver_tenure"')
    end = text.index("# Customers that no challenger")
    outcome = world.retrain(models_folder=_with_recipe(world, tmp_path, text[begin:end], ""))
    assert (outcome.result, outcome.cause) == ("refused", "gates")
    assert "schema" in outcome.gates
    (schema,) = (gate for gate in _evidence(world).gates if gate.gate == "schema")
    assert "driver_tenure" in schema.reason
    assert world.champion() == 1


def test_a_leaked_column_is_refused_by_the_leak_gate(new_world: Callable[[], World]) -> None:
    """A feature that was filled in once the truth was known: in the log it tells the label by itself."""
    world = new_world()
    place = world.rows.table.column_names.index("driver_tenure")
    leaked = world.rows.table.set_column(place, "driver_tenure", pa.array(world.rows.labels * 10 + 0.5))
    _rewrite_predictions(world, leaked)
    world.label()
    outcome = world.retrain()
    assert (outcome.result, outcome.cause) == ("refused", "gates")
    assert "leak" in outcome.gates
    (leak,) = (gate for gate in _evidence(world).gates if gate.gate == "leak")
    assert "driver_tenure" in leak.reason
    assert world.champion() == 1


def _rewrite_predictions(world: World, table: pa.Table) -> None:
    for object_ in world.store.list("car-loan/predictions"):
        obstore.delete(world.backend, object_.key)
    world.rows = type(world.rows)(world.rows.schema, world.rows.matrix, world.rows.labels, world.rows.moments, table)
    world.serve()


class Killed(BaseException):
    """The process died."""


class Counting(ObjectStore):
    """Dies, or fails, at one of its calls, right before it or, where it writes, right after it."""

    def __init__(
        self, backend: obstore.store.ObjectStore, error: BaseException, *, at_write: int, after: bool = False
    ) -> None:
        """Args: the real store, what happens, at which write, and whether that one is still done."""
        super().__init__(backend)
        self._error = error
        self.writes = 0
        self._at = at_write
        self._after = after

    def create(self, key: str, data: bytes) -> bool:
        """Writes, unless it is time."""
        return self._write(lambda: ObjectStore.create(self, key, data))

    def replace(self, key: str, data: bytes, e_tag: str) -> bool:
        """Writes, unless it is time."""
        return self._write(lambda: ObjectStore.replace(self, key, data, e_tag))

    def _write(self, do: Callable[[], bool]) -> bool:
        self.writes += 1
        if self.writes == self._at and not self._after:
            raise self._error
        written = do()
        if self.writes == self._at:
            raise self._error
        return written


WRITES = 10
"""Plan, model, reference, evidence, card, manifest, the former move, champion, the new move, outcome."""


def _state(world: World) -> dict[str, str]:
    """What a later reader of the store goes by; times and measured latencies left out."""
    registry = world.registry
    moves = [(move.sequence, move.version, move.previous, move.actor) for move in registry.history()]
    outcome = world.runs.outcome("run-1")
    assert outcome is not None
    return {
        "versions": str(registry.versions()),
        "text": registry.load(2).text,
        "schema": registry.manifest(2).feature_schema.model_dump_json(),
        "reference": str(registry.reference(2)),
        "refusals": str(_evidence(world).refusals),
        "moves": str(moves),
        "keys": "\n".join(object_.key for object_ in world.store.list("")),
        "outcome": f"{outcome.result} {outcome.version} {outcome.figures}",
    }


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, str]:
    """The state after a run that nothing disturbed, once it is known."""
    return {}


def _whole(world: World) -> bool:
    """Whether every version that a reader sees can be loaded."""
    registry = ModelRegistry(world.store, "car-loan")
    return all(registry.load(version) and registry.reference(version) is not None for version in registry.versions())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at_write", range(1, WRITES + 1))
def test_a_run_killed_at_any_write_is_completed_by_the_next_attempt(
    new_world: Callable[[], World], undisturbed: dict[str, str], at_write: int, *, after: bool
) -> None:
    """The state is that of an undisturbed run, and no half-written version was seen meanwhile."""
    if not undisturbed:
        calm = new_world()
        calm.label()
        watched = Counting(calm.backend, Killed(), at_write=0)
        assert calm.retrain(watched).result == "promoted"
        assert watched.writes == WRITES
        undisturbed |= _state(calm)
    world = new_world()
    world.label()
    with pytest.raises(Killed):
        world.retrain(Counting(world.backend, Killed(), at_write=at_write, after=after))
    assert _whole(world)
    assert world.retrain().result == "promoted"
    assert _state(world) == undisturbed


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at_write", [7, 8, 9], ids=["the rollout's pointer", "its history", "the outcome"])
def test_a_run_killed_while_it_begins_a_rollout_is_completed_by_the_next_attempt(
    new_world: Callable[[], World], at_write: int, *, after: bool
) -> None:
    """One rollout, of one version, and the champion as it was."""
    world = new_world()
    world.label()
    with pytest.raises(Killed):
        world.retrain(Counting(world.backend, Killed(), at_write=at_write, after=after), rollout="canary")
    assert world.retrain(rollout="canary").result == "rolling_out"
    assert [(step.version, step.state) for step in world.rollouts.history()] == [(2, "canary")]
    assert world.champion() == 1


@pytest.mark.parametrize("step", ["read_labelled", "train_on", "examine"])
def test_a_run_killed_while_it_reads_trains_or_validates_is_completed_by_the_next_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Nothing but its plan is in the store then."""
    world.label()
    with monkeypatch.context() as patched:

        def die(*_: object, **__: object) -> None:
            raise Killed

        patched.setattr(f"retraining.retrain.{step}", die)
        with pytest.raises(Killed):
            world.retrain()
    assert world.registry.versions() == [1]
    assert world.retrain().result == "promoted"
    assert world.champion() == 2


@pytest.mark.parametrize("at_write", range(1, WRITES + 1))
def test_a_store_that_fails_between_two_writes_leaves_a_run_that_can_go_on(
    new_world: Callable[[], World], at_write: int
) -> None:
    """The failure is told, the champion is one of two whole versions, and the next attempt ends the run."""
    world = new_world()
    world.label()
    failing = Counting(world.backend, StoreUnavailableError("put", "key", OSError("away")), at_write=at_write)
    with pytest.raises(StoreUnavailableError):
        world.retrain(failing)
    assert _whole(world)
    assert world.retrain().result == "promoted"
    assert world.registry.versions() == [1, 2]


def test_a_champion_that_changed_meanwhile_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person promoted another version while the challenger was judged against the former one."""
    world.label()
    publish = ModelRegistry.publish

    def promote_another(registry: ModelRegistry, *arguments: object) -> object:
        published = publish(registry, *arguments)  # type: ignore[arg-type]
        champion = registry.champion()
        text = registry.load(1).text.encode() + b"\n"
        manifest = registry.manifest(1)
        other = publish(
            registry, text, lambda version, file: manifest.model_copy(update={"version": version, "file": file})
        )
        registry.promote(other.version, replacing=champion, actor="ann", reason="by hand")
        return published

    monkeypatch.setattr(ModelRegistry, "publish", promote_another)
    outcome = world.retrain()
    assert (outcome.result, outcome.cause) == ("refused", "champion_changed")
    assert world.champion() == 3


def test_predictions_of_rows_without_label_are_not_trained_on(world: World) -> None:
    """Only every second row's truth is known."""
    world.label([(n, x) for n, x in enumerate(world.rows.labels) if n % 2 == 0])
    outcome = world.retrain(since=BEGIN)
    assert outcome.figures["rows"] == ROWS / 2
    assert outcome.version is not None
    facts = world.registry.manifest(outcome.version).training
    assert facts.rows + facts.holdout_rows == ROWS / 2


def test_the_shipped_recipe_is_right_and_protects_slices() -> None:
    """A slice names a feature's own values."""
    models = Path(__file__).parents[3] / "models"
    recipe = read_recipe(models, "car-loan")
    assert recipe.patience_rounds
    assert {part.feature for part in recipe.slices} == {"repaid_loan_on_prev_car", "salary_range"}


def test_the_evidence_is_plain_json(world: World) -> None:
    """For whoever reads it without this code."""
    world.label()
    world.retrain()
    document = json.loads(bytes(obstore.get(world.backend, EVIDENCE).bytes()))
    assert document["gates"][0]["gate"] == "rows"
    assert set(document["importance"]) == set(lgb.Booster(model_str=world.registry.load(2).text).feature_name())
    assert row_id(0) not in json.dumps(document)
