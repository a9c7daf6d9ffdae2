"""A token is shown whole, under its scheme, or not at all."""

from pathlib import Path

import pytest
from lifecycle.bearer import NoTokenError, shows_token


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("Bearer right", True),
        ("bearer  right ", True),
        ("Bearer wrong", False),
        ("Bearer righ", False),
        ("Bearer rightmost", False),
        ("Basic right", False),
        ("right", False),
        ("Bearer ", False),
        ("", False),
        ("Bearer r\u00efght", False),
    ],
)
def test_the_whole_token_and_nothing_else_is_taken(header: str, shown: bool, tmp_path: Path) -> None:  # noqa: FBT001 - the expected answer
    """The file may end in a line break, as files do."""
    (tmp_path / "token").write_text("right\n")
    assert shows_token(header, tmp_path / "token") is shown


def test_an_empty_token_is_nobodys_and_a_missing_one_is_told(tmp_path: Path) -> None:
    """Otherwise whoever shows nothing would be let in."""
    (tmp_path / "token").write_text("\n")
    assert not shows_token("Bearer ", tmp_path / "token")
    assert not shows_token("", tmp_path / "token")
    with pytest.raises(NoTokenError):
        shows_token("Bearer right", tmp_path / "elsewhere")
