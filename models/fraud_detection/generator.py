"""Card transactions, made up: few are fraud, they come in bursts, and from a known row on both change.

`generate(rows, seed)` gives the same first rows whatever `rows` is: they are drawn in blocks of 10,000, each from
`numpy.random.default_rng([seed, block])`.

    column                    of an honest transaction                    of a fraud
    amount                    exp(N(3.5, 1.0)) euro, cut to 1 to 1000     exp(N(4.2, 1.0)), cut likewise
    merchant_category         eight, by the shares in CATEGORIES          electronics, travel and jewellery thrice
    channel                   chip 45 %, contactless 30 %, online 22 %,   chip 12 %, contactless 18 %, online 62 %,
                              atm 3 %                                     atm 8 %
    hour                      N(14, 4.5), cut to 0 to 24                  a third by night: N(3, 2), cut likewise
    distance_km               exponential of mean 12, cut to 200          exponential of mean 60, cut likewise
    transactions_last_hour    Poisson of mean 0.4, cut to 5               Poisson of mean 1.6, cut likewise
    account_age_days          uniform, 1 to 4000; missing in 3 %          half of them 1 to 200; missing in 3 %
    foreign                   4 %                                         25 %
    fraud                     the label: 1.2 % of the rows, 12 % of those in a burst

Load: a transaction comes every 40 s on average, from 2025-01-06 on; the last 200 of 5,000 rows are a burst, which comes
twenty times as fast, with ten times the fraud. So 1.6 % of all rows are fraud.

What is cut is what a card allows, so that each end of a range is met in any 30,000 rows: a value beyond it is news.

Drift, from row DRIFT_ROW on:
    covariate    online takes 45 % of the honest transactions, chip 22 %; one row in 50 is of a new category, `crypto`
    concept      a fraud is small, exp(N(2.8, 0.5)) euro, and near, of mean 12 km: what told it tells it no longer
"""

from typing import Any

import numpy as np

DRIFT_ROW = 40_000
BLOCK_ROWS = 10_000
BURST_EVERY, BURST_ROWS = 5000, 200
FRAUD_SHARE, FRAUD_SHARE_IN_BURST = 0.012, 0.12
START = np.datetime64("2025-01-06T00:00:00", "us")
SECONDS_BETWEEN, BURST_FACTOR = 40.0, 20.0

CATEGORIES = {
    "groceries": 0.34,
    "restaurants": 0.18,
    "fuel": 0.12,
    "clothing": 0.11,
    "electronics": 0.08,
    "travel": 0.07,
    "health": 0.07,
    "jewellery": 0.03,
}
NEW_CATEGORY = "crypto"
_RISKY = ("electronics", "travel", "jewellery")
_CHANNELS = ("chip", "contactless", "online", "atm")
_HONEST_CHANNELS = ((0.45, 0.30, 0.22, 0.03), (0.22, 0.30, 0.45, 0.03))
"""Before and after the drift."""
_FRAUD_CHANNELS = (0.12, 0.18, 0.62, 0.08)


def generate(rows: int, seed: int) -> dict[str, Any]:
    """The first transactions, oldest first.

    Args:
        rows: how many.
        seed: of the random numbers.
    """
    blocks = [_block(seed, block) for block in range(-(-rows // BLOCK_ROWS))]
    columns = {name: np.concatenate([block[name] for block in blocks])[:rows] for name in blocks[0]}
    seconds = np.cumsum(columns.pop("seconds"))
    return {"timestamp": START + (seconds * 1e6).astype("timedelta64[us]"), **columns}


def in_burst(row: Any) -> Any:  # noqa: ANN401 - a number or an array of them
    """Whether a row, by its number, came in a burst."""
    return row % BURST_EVERY >= BURST_EVERY - BURST_ROWS


def _block(seed: int, block: int) -> dict[str, Any]:
    random, n = np.random.default_rng([seed, block]), BLOCK_ROWS
    row = np.arange(n) + block * n
    burst, drifted = in_burst(row), row >= DRIFT_ROW
    fraud = random.random(n) < np.where(burst, FRAUD_SHARE_IN_BURST, FRAUD_SHARE)
    by_night = fraud & (random.random(n) < 1 / 3)
    centre = np.where(fraud, np.where(drifted, 2.8, 4.2), 3.5)
    missing = random.random(n) < 0.03
    return {
        "seconds": random.exponential(SECONDS_BETWEEN, n) / np.where(burst, BURST_FACTOR, 1.0),
        "amount": np.clip(np.exp(random.normal(centre, np.where(fraud & drifted, 0.5, 1.0))), 1, 1000).round(2),
        "merchant_category": _categories(random, fraud, drifted),
        "channel": _channels(random, fraud, drifted),
        "hour": np.clip(np.where(by_night, random.normal(3, 2, n), random.normal(14, 4.5, n)), 0, 24).round(2),
        "distance_km": np.clip(random.exponential(np.where(fraud & ~drifted, 60, 12)), 0, 200).round(1),
        "transactions_last_hour": np.minimum(random.poisson(np.where(fraud, 1.6, 0.4)), 5).astype(np.float64),
        "account_age_days": np.where(missing, np.nan, _ages(random, fraud)),
        "foreign": random.random(n) < np.where(fraud, 0.25, 0.04),
        "fraud": fraud.astype(np.float64),
    }


def _categories(random: np.random.Generator, fraud: Any, drifted: Any) -> Any:  # noqa: ANN401 - arrays
    names = np.array([*CATEGORIES, NEW_CATEGORY], dtype=object)
    honest = np.array([*CATEGORIES.values()])
    risky = honest * np.where(np.isin(names[:-1], _RISKY), 3, 1)
    drawn = np.where(fraud, _chosen(random, risky / risky.sum(), len(fraud)), _chosen(random, honest, len(fraud)))
    return names[np.where(drifted & (random.random(len(fraud)) < 1 / 50), len(honest), drawn)]


def _channels(random: np.random.Generator, fraud: Any, drifted: Any) -> Any:  # noqa: ANN401 - arrays
    before, after, of_fraud = (
        _chosen(random, np.array(shares), len(fraud)) for shares in (*_HONEST_CHANNELS, _FRAUD_CHANNELS)
    )
    return np.array(_CHANNELS, dtype=object)[np.where(fraud, of_fraud, np.where(drifted, after, before))]


def _ages(random: np.random.Generator, fraud: Any) -> Any:  # noqa: ANN401 - arrays
    young = fraud & (random.random(len(fraud)) < 0.5)
    return np.floor(random.uniform(1, np.where(young, 201, 4001)))


def _chosen(random: np.random.Generator, shares: Any, count: int) -> Any:  # noqa: ANN401 - arrays
    return np.searchsorted(np.cumsum(shares)[:-1], random.random(count), side="right")
