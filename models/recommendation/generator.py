"""What people in a shop were shown, and what they did: made up, twelve items a request; from a known row on it changes.

`generate(rows, seed)` gives the same first rows whatever `rows` is: requests are drawn in blocks of 500, each from
`numpy.random.default_rng([seed, block])`. The rows of a request have one moment and one `request`.

    column               distribution
    user_age             18 + 62 * Beta(2, 3), of the request
    user_segment         bargain 40 %, usual 40 %, luxury 20 %, of the request
    visits_last_month    Poisson of mean 4, cut to 30, of the request
    item_category        one of six, evenly
    affinity             Beta(1.2, 3): how much of what the user did was in the category; missing for one user in ten
    item_price           exp(N(3.2, 0.8)) euro, cut to 2 to 500
    item_age_days        exponential of mean 90, cut to 720
    popularity           exponential of mean 1, cut to 8
    discounted           20 %
    relevance            the label: 2 for what was bought, 1 for what was looked at, 0 for the rest

What a user does: an item is worth 4.0 * affinity + 0.5 * popularity - s * log(price / 25) + 0.6 * discounted
- 0.003 * item_age_days, s being 1.2, 0.6 and -0.3 by segment, and luck, Gumbel(0, 0.6). The item that is worth most is
looked at, and bought where it is worth more than BUYS_FROM; the second is looked at in half of the requests.

Drift, from row DRIFT_ROW on:
    covariate    prices are 40 % higher
    concept      popularity is worth -0.5, and an item's age -0.012 a day: what is new and rare is wanted
"""

from typing import Any

import numpy as np

ITEMS = 12
BLOCK_REQUESTS = 500
DRIFT_ROW = 42_000
START = np.datetime64("2025-03-03T08:00:00", "us")
SECONDS_BETWEEN = 60.0
BUYS_FROM = 2.4

SEGMENTS = {"bargain": (0.4, 1.2), "usual": (0.4, 0.6), "luxury": (0.2, -0.3)}
"""Share of the users, and how much a price is minded."""
CATEGORIES = ("books", "kitchen", "garden", "sports", "toys", "music")


def generate(rows: int, seed: int) -> dict[str, Any]:
    """The items of the first requests, oldest first.

    Args:
        rows: how many; a multiple of ITEMS gives whole requests.
        seed: of the random numbers.
    """
    per_block = BLOCK_REQUESTS * ITEMS
    blocks = [_block(seed, block) for block in range(-(-rows // per_block))]
    columns = {name: np.concatenate([block[name] for block in blocks])[:rows] for name in blocks[0]}
    seconds = np.cumsum(columns.pop("seconds"))
    return {"timestamp": START + (seconds * 1e6).astype("timedelta64[us]"), **columns}


def _block(seed: int, block: int) -> dict[str, Any]:
    random, requests = np.random.default_rng([seed, block]), BLOCK_REQUESTS
    shape = (requests, ITEMS)
    request = np.repeat(np.arange(requests) + block * requests, ITEMS)
    drifted = (np.arange(requests * ITEMS) + block * requests * ITEMS >= DRIFT_ROW).reshape(shape)
    shares, minds = np.array([*SEGMENTS.values()]).T
    segment = np.searchsorted(np.cumsum(shares)[:-1], random.random(requests), side="right")
    affinity = random.beta(1.2, 3.0, shape)
    price = np.clip(np.exp(random.normal(3.2, 0.8, shape)) * np.where(drifted, 1.4, 1.0), 2, 500)
    age_days = np.minimum(random.exponential(90, shape), 720)
    popularity = np.minimum(random.exponential(1.0, shape), 8)
    discounted = random.random(shape) < 0.2
    worth = (
        4.0 * affinity
        + np.where(drifted, -0.5, 0.5) * popularity
        - minds[segment][:, None] * np.log(price / 25)
        + 0.6 * discounted
        - np.where(drifted, 0.012, 0.003) * age_days
        + random.gumbel(0, 0.6, shape)
    )
    unknown = random.random(requests) < 0.1
    between = random.exponential(SECONDS_BETWEEN, requests)
    return {
        "seconds": np.column_stack([between, np.zeros((requests, ITEMS - 1))]).ravel(),
        "request": np.array([f"r{number:08d}" for number in request], dtype=object),
        "user_age": _each(np.floor(18 + 62 * random.beta(2, 3, requests))),
        "user_segment": _each(np.array([*SEGMENTS], dtype=object)[segment]),
        "visits_last_month": _each(np.minimum(random.poisson(4.0, requests), 30).astype(np.float64)),
        "item_category": np.array(CATEGORIES, dtype=object)[random.integers(0, len(CATEGORIES), requests * ITEMS)],
        "affinity": np.where(unknown[:, None], np.nan, affinity.round(3)).ravel(),
        "item_price": price.round(2).ravel(),
        "item_age_days": np.floor(age_days).ravel(),
        "popularity": popularity.round(3).ravel(),
        "discounted": discounted.ravel(),
        "relevance": _relevance(worth, random.random(requests) < 0.5).ravel(),
    }


def _relevance(worth: Any, looks_at_second: Any) -> Any:  # noqa: ANN401 - arrays
    order = np.argsort(-worth, axis=1)
    relevance, every = np.zeros(worth.shape), np.arange(len(worth))
    relevance[every, order[:, 1]] = looks_at_second
    relevance[every, order[:, 0]] = np.where(worth[every, order[:, 0]] > BUYS_FROM, 2, 1)
    return relevance


def _each(values: Any) -> Any:  # noqa: ANN401 - arrays
    """What is the request's, for each of its items."""
    return np.repeat(values, ITEMS)
