"""The words of a progress line."""

import pytest

from toolchain.progress import duration, rest


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s")]
)
def test_durations_read_as_a_person_says_them(seconds: float, words: str) -> None:
    """Seconds up to a minute, then minutes and seconds."""
    assert duration(seconds) == words


def test_a_late_step_says_how_late_it_is() -> None:
    """The expected rest never becomes negative."""
    assert rest(10, 30) == "about 20 s left"
    assert rest(40, 30) == "10 s longer than expected"
