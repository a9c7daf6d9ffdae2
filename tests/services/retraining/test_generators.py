"""The data of the worked models is what its generator's documentation says: rates, load and drift."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from lifecycle.features import NumericFeature
from lifecycle.guard import fit_guard
from retraining.dataset import DatasetError
from retraining.quality import average_precision, list_scores
from retraining.recipe import GeneratedData, read_recipe
from retraining.source import generate, own_dataset
from retraining.training import train
from tests.services.workshop import MODELS

from retraining import source

Columns = Mapping[str, Any]
GENERATED = sorted(path.parent.name for path in MODELS.glob("*/generator.py"))
FRAUD_DRIFT, FRAUD_ROWS = 40_000, 60_000
SHOP_DRIFT, SHOP_ROWS = 42_000, 60_000
FEW_ROUNDS = {"rounds": 40, "patience_rounds": None}


@pytest.fixture(scope="module")
def fraud() -> Columns:
    """Transactions before and after the drift."""
    return generate(MODELS / "fraud_detection/generator.py", FRAUD_ROWS, 7)


@pytest.fixture(scope="module")
def shop() -> Columns:
    """Requests before and after the drift."""
    return generate(MODELS / "recommendation/generator.py", SHOP_ROWS, 11)


def _no_file(_: object) -> Any:  # noqa: ANN401 - never returns
    raise AssertionError


@pytest.mark.parametrize("folder", GENERATED)
def test_the_same_seed_gives_the_same_rows_and_more_rows_begin_with_them(folder: str) -> None:
    """So that a stack that is made anew trains the same model, and a stream goes on where the training data ends."""
    program = MODELS / folder / "generator.py"
    few, again, many, other = (
        generate(program, rows, seed) for rows, seed in ((500, 1), (500, 1), (12_000, 1), (500, 2))
    )
    for name, values in few.items():
        assert np.array_equal(values, again[name], equal_nan=values.dtype.kind == "f"), name
        assert np.array_equal(values, many[name][:500], equal_nan=values.dtype.kind == "f"), name
    assert any(not np.array_equal(values, other[name]) for name, values in few.items())


@pytest.mark.parametrize("folder", GENERATED)
def test_a_recipe_trains_on_rows_before_the_drift(folder: str) -> None:
    """What comes later is for the stream."""
    recipe = read_recipe(MODELS, folder.replace("_", "-"))
    assert isinstance(recipe.data, GeneratedData)
    drift = runpy.run_path(str(MODELS / folder / "generator.py"))["DRIFT_ROW"]
    assert recipe.data.rows < drift


def test_fraud_is_rare_and_ten_times_as_frequent_in_bursts(fraud: Columns) -> None:
    """1.2 % and 12 %, before the drift."""
    label, burst = fraud["fraud"], np.arange(FRAUD_ROWS) % 5000 >= 4800
    assert label[~burst].mean() == pytest.approx(0.012, abs=0.002)
    assert label[burst].mean() == pytest.approx(0.12, abs=0.02)


def test_bursts_come_twenty_times_as_fast(fraud: Columns) -> None:
    """The load that a service has to bear."""
    seconds = np.diff(fraud["timestamp"]).astype(np.int64) / 1e6
    burst = (np.arange(FRAUD_ROWS) % 5000 >= 4800)[1:]
    assert seconds[~burst].mean() / seconds[burst].mean() == pytest.approx(20, rel=0.1)
    assert (seconds >= 0).all()


def test_transactions_change_from_the_drift_row_on(fraud: Columns) -> None:
    """The new category is there from then on and never before; online takes over; a fraud grows small."""
    after = np.arange(FRAUD_ROWS) >= FRAUD_DRIFT
    new = fraud["merchant_category"] == "crypto"
    assert not new[~after].any()
    assert new[after].mean() == pytest.approx(1 / 50, abs=0.003)
    honest = fraud["fraud"] == 0
    online = fraud["channel"] == "online"
    assert online[honest & ~after].mean() == pytest.approx(0.22, abs=0.01)
    assert online[honest & after].mean() == pytest.approx(0.45, abs=0.01)
    medians = [np.median(fraud["amount"][~honest & period]) for period in (~after, after)]
    assert medians == pytest.approx([np.exp(4.2), np.exp(2.8)], rel=0.15)
    usual = [np.median(fraud["amount"][honest & period]) for period in (~after, after)]
    assert usual[1] == pytest.approx(usual[0], rel=0.05)


def test_before_the_drift_no_transaction_is_unusual_and_then_only_the_new_category_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that an alert on one is no noise: 30,000 rows that the guard and the ranges did not come from."""
    recipe = read_recipe(MODELS, "fraud-detection")
    assert recipe.guard is not None
    assert isinstance(recipe.data, GeneratedData)
    rows = own_dataset(recipe, MODELS, _no_file)
    guard = fit_guard(rows.matrix, rows.schema, recipe.guard.anomaly_margin)
    longer = recipe.model_copy(update={"data": recipe.data.model_copy(update={"rows": FRAUD_ROWS})})
    monkeypatch.setattr(source, "generate", _with_the_new_category_missing)
    stream = own_dataset(longer, MODELS, _no_file).matrix[len(rows) :]
    assert guard.scores(stream).max() < 1
    for column, feature in enumerate(rows.schema.features):
        if isinstance(feature, NumericFeature):
            assert np.nanmin(stream[:, column]) >= feature.minimum, feature.name
            assert np.nanmax(stream[:, column]) <= feature.maximum, feature.name
    odd = {
        "amount": 1000.0,
        "hour": 3.0,
        "distance_km": 200.0,
        "transactions_last_hour": 5.0,
        "account_age_days": 4000.0,
    }
    vector = [odd.get(name, 0.0) for name in rows.schema.names]
    assert guard.scores(np.array([vector]))[0] > 1


def test_a_request_has_twelve_items_of_one_moment_and_one_that_was_looked_at(shop: Columns) -> None:
    """Half of the requests have a second one."""
    relevance = shop["relevance"].reshape(-1, 12)
    assert (relevance > 0).sum(axis=1).mean() == pytest.approx(1.5, abs=0.03)
    assert set(np.unique(shop["relevance"])) == {0.0, 1.0, 2.0}
    for name in ("timestamp", "request", "user_age", "user_segment"):
        column = shop[name].reshape(-1, 12)
        assert (column == column[:, :1]).all(), name
    assert len(np.unique(shop["request"])) == SHOP_ROWS // 12


def test_prices_rise_and_tastes_turn_from_the_drift_row_on(shop: Columns) -> None:
    """By 40 %; what was looked at is rarer and newer than what was not, and was not so before."""
    after = np.arange(SHOP_ROWS) >= SHOP_DRIFT
    medians = [np.median(shop["item_price"][period]) for period in (~after, after)]
    assert medians[1] / medians[0] == pytest.approx(1.4, rel=0.05)
    chosen = shop["relevance"] > 0
    for column, before in (("popularity", True), ("item_age_days", False)):
        differences = [
            shop[column][period & chosen].mean() - shop[column][period & ~chosen].mean() for period in (~after, after)
        ]
        assert differences[1] < 0
        assert (differences[0] > 0) == before
        assert differences[1] < differences[0]


@pytest.mark.parametrize("model", ["fraud-detection", "recommendation"])
def test_a_model_learns_and_is_worse_after_the_drift(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far above chance on the newest rows before it, and clearly worse on those after it: what drift is to find."""
    recipe = read_recipe(MODELS, model).model_copy(update=FEW_ROUNDS)
    assert isinstance(recipe.data, GeneratedData)
    trained = train(own_dataset(recipe, MODELS, _no_file), recipe, num_threads=1)
    longer = recipe.model_copy(update={"data": recipe.data.model_copy(update={"rows": 60_000})})
    monkeypatch.setattr(source, "generate", _with_the_new_category_missing)  # as scoring reads it
    stream = own_dataset(longer, MODELS, _no_file)
    booster = lgb.Booster(model_str=trained.text)

    def quality(start: int, stop: int) -> float:
        part = stream.slice(start, stop)
        given = np.asarray(booster.predict(part.matrix, num_threads=1))
        if recipe.objective == "ranking":
            return float(list_scores(part.labels, given, part.groups).mean())
        return average_precision(part.labels, given)

    before, after = quality(30_000, 39_996), quality(48_000, 60_000)
    # Of twelve items in any order NDCG is about 0.45; average precision is the share of class 1.
    chance = 0.45 if recipe.objective == "ranking" else stream.labels.mean()
    assert before > 1.4 * chance
    assert after < 0.85 * before


def _with_the_new_category_missing(program: Path, rows: int, seed: int) -> Columns:
    columns = generate(program, rows, seed)
    if "merchant_category" not in columns:
        return columns
    category = columns["merchant_category"]
    return {**columns, "merchant_category": np.where(category == "crypto", None, category)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist"),
        ("x = 1\n", "has no function generate"),
        ("def generate(rows, seed):\n    return {}\n", "gives no column amount"),
        ("def generate(rows, seed):\n    return dict.fromkeys(COLUMNS, ['x'])\n", r"generator\.py: "),
    ],
)
def test_a_generator_that_gives_no_data_is_refused_by_its_name(tmp_path: Path, text: str | None, message: str) -> None:
    """Missing, without the function, without a column, with a wrong one; and nothing is written beside it."""
    program = tmp_path / "fraud_detection/generator.py"
    program.parent.mkdir()
    recipe = read_recipe(MODELS, "fraud-detection")
    if text is not None:
        program.write_text(f"COLUMNS = {list(recipe.columns)}\n{text}")
    with pytest.raises(DatasetError, match=message):
        own_dataset(recipe, tmp_path, _no_file)
    assert len(list(program.parent.iterdir())) == (text is not None)
