"""A clone gets a name of its own, and upstream merges into it afterwards."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.config.aws import NAME_LIMIT
from toolchain.errors import ToolchainError
from toolchain.fork.rename import ENVIRONMENT_LIMIT, PLACES, Identity, edits, identity
from toolchain.paths import REPOSITORY

ACME = Identity("pricing", "acme")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that say the name, as they are in this checkout, by the blueprint's name if it is a fork's."""
    for pattern in {place.files for place in PLACES}:
        for file in REPOSITORY.glob(pattern):
            target = tmp_path / file.relative_to(REPOSITORY)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    rename(tmp_path, Identity("realtime-ml", "realtime-ml"))
    return tmp_path


def rename(root: Path, new: Identity) -> list[str]:
    """Does it, and gives the files that changed."""
    found = list(edits(root, new))
    for edit in found:
        edit.file.write_text(edit.text, encoding="utf-8")
    return [str(edit.file.relative_to(root)) for edit in found]


def test_every_place_is_found_and_says_the_new_name(clone: Path) -> None:
    """A place that no longer matches would leave the old name without a word."""
    old = yaml.safe_load((clone / "Pulumi.yaml").read_text(encoding="utf-8"))["name"]
    for place in PLACES:
        says = re.compile(place.says.replace("{old}", re.escape(old)), re.MULTILINE)
        assert any(says.search(file.read_text(encoding="utf-8")) for file in clone.glob(place.files)), place
    rename(clone, ACME)
    assert yaml.safe_load((clone / "Pulumi.yaml").read_text(encoding="utf-8"))["name"] == "pricing"
    names = {
        yaml.safe_load(file.read_text(encoding="utf-8"))["config"].get("realtime-ml:aws", {}).get("name")
        for file in clone.glob("Pulumi.*.yaml")
    }
    assert {None, "pricing-dev", "pricing-staging", "pricing-prod"} <= names
    assert (clone / "README.md").read_text(encoding="utf-8").startswith("# pricing\n")
    assert "@acme/" in (clone / ".github" / "CODEOWNERS").read_text(encoding="utf-8")


def test_the_second_time_changes_nothing_and_another_name_changes_it_again(clone: Path) -> None:
    """Whoever runs it twice, or thinks better of a name, loses nothing."""
    first = rename(clone, ACME)
    assert rename(clone, ACME) == []
    assert set(rename(clone, Identity("ml", "other"))) == set(first)
    again = {file: file.read_text(encoding="utf-8") for file in clone.rglob("*") if file.is_file()}
    rename(clone, ACME)
    rename(clone, Identity("ml", "other"))
    assert again == {file: file.read_text(encoding="utf-8") for file in again}


def test_keys_of_the_configuration_keep_their_namespace(clone: Path) -> None:
    """It is the blueprint's, as a provider's is its own: upstream's documents and code hold in any fork."""
    before = {
        file: set(yaml.safe_load(file.read_text(encoding="utf-8"))["config"]) for file in clone.glob("Pulumi.*.yaml")
    }
    rename(clone, ACME)
    assert before == {file: set(yaml.safe_load(file.read_text(encoding="utf-8"))["config"]) for file in before}


@pytest.mark.parametrize(
    "name", ["", "Pricing", "9lives", "a_b", "a-", "-a", "a" * 40, "a.b", "aws-ml", "xn--a", "a b", "a\n"]
)
def test_a_name_that_no_bucket_can_have_is_refused(clone: Path, name: str) -> None:
    """With the value and what would do."""
    with pytest.raises(ToolchainError, match=r"lower-case letters, digits and inner hyphens") as caught:
        identity(clone, name, "acme")
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("organisation", ["", "-a", "a--b", "a/b", "a" * 40, "a b"])
def test_an_organisation_that_none_can_be_is_refused(clone: Path, organisation: str) -> None:
    """It becomes part of URLs and of owners' names."""
    with pytest.raises(ToolchainError, match="is no name of an organisation"):
        identity(clone, "pricing", organisation)


def test_the_longest_name_fits_into_every_environment(clone: Path) -> None:
    """One character more would be refused by the configuration, later and less clearly."""
    assert ENVIRONMENT_LIMIT == NAME_LIMIT
    longest = ENVIRONMENT_LIMIT - len("-staging")
    assert identity(clone, "a" * longest, "acme").name == "a" * longest
    with pytest.raises(ToolchainError):
        identity(clone, "a" * (longest + 1), "acme")


def test_a_folder_that_is_no_clone_is_told(clone: Path) -> None:
    """Half a rename would be worse than none."""
    (clone / "mkdocs.yml").unlink()
    with pytest.raises(ToolchainError, match=r"there is no mkdocs\.yml"):
        list(edits(clone, ACME))


def git(root: Path, *arguments: str) -> str:
    """Git, with no settings but its own."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *who, *arguments],
        cwd=root,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def edit(file: Path, old: str, new: str) -> None:
    """Changes one text of a file."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.engine
def test_upstream_merges_into_a_fork_that_edited_what_it_is_meant_to(
    clone: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Both changed the same lines of a fork's files, and other lines: theirs come, the fork's own stay, no conflict."""
    for name in (".gitattributes", "Makefile"):
        shutil.copy(REPOSITORY / name, clone / name)
    (clone / "service.py").write_text("LIMIT = 1\n", encoding="utf-8")
    git(clone, "init", "-q", "-b", "main")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "0.1.0")
    fork = tmp_path_factory.mktemp("fork") / "clone"
    git(clone, "clone", "-q", "-o", "upstream", str(clone), str(fork))

    rename(fork, ACME)
    edit(fork / "Pulumi.dev.yaml", "111122223333", "123456789012")
    edit(fork / "Pulumi.dev.yaml", "cpu_limit: 16", "cpu_limit: 24")
    (fork / "Pulumi.qa.yaml").write_text("config: {}\n", encoding="utf-8")
    git(fork, "add", "-A")
    git(fork, "commit", "-qm", "ours")

    edit(clone / "Pulumi.dev.yaml", "cpu_limit: 16", "cpu_limit: 20")
    edit(clone / "Pulumi.prod.yaml", "retention_days: 30", "retention_days: 60")
    edit(clone / "Pulumi.dev.yaml", "config:\n", "# A hint.\nconfig:\n")
    edit(clone / "README.md", "# ", "# Another ")
    edit(clone / "service.py", "1", "2")
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "0.2.0")

    git(fork, "fetch", "-q", "upstream")
    done = subprocess.run(
        ["make", "--no-print-directory", "merge-upstream", "UPSTREAM=upstream/main"],
        cwd=fork,
        env={
            "PATH": "/usr/bin:/bin:/usr/local/bin",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "HOME": str(fork),
            **{f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert git(fork, "status", "--porcelain") == ""
    dev = (fork / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    assert "123456789012" in dev
    assert "name: pricing-dev" in dev
    assert "cpu_limit: 24" in dev, "the fork's value of a line that both changed stays"
    assert "# A hint." in dev, "upstream's other lines of the same file come"
    assert "retention_days: 60" in (fork / "Pulumi.prod.yaml").read_text(encoding="utf-8")
    assert (fork / "README.md").read_text(encoding="utf-8").startswith("# pricing\n")
    assert (fork / "service.py").read_text(encoding="utf-8") == "LIMIT = 2\n"
