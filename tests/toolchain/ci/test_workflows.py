"""The workflows are thin, pinned and hold no more rights than they need; what they call is there and tested."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from toolchain.ci.commands import app
from toolchain.install import install
from toolchain.paths import REPOSITORY

FOLDER = REPOSITORY / ".github"
FILES = sorted([*FOLDER.glob("workflows/*.yml"), *FOLDER.glob("actions/*/action.yml")])
WORKFLOWS = sorted(FOLDER.glob("workflows/*.yml"))

WRITES = {
    ("pull-request.yml", "comment"): {"pull-requests"},
    ("weekly.yml", "drift"): {"issues"},
}
"""What may change something on GitHub: one comment, one issue."""

CI, GITHUB, PLUGINS, SIGNING = (
    "tests/engine/test_ci.py",
    "tests/toolchain/ci/test_github.py",
    "tests/toolchain/ci/test_plugins.py",
    "tests/toolchain/ci/test_signing.py",
)

RUN = {
    "drift": (
        f"{CI}::test_what_somebody_took_away_by_hand_is_drift_and_an_issue_until_it_is_back",
        f"{CI}::test_without_a_state_what_needs_one_says_so",
    ),
    "environments": (f"{PLUGINS}::test_a_workflow_makes_its_matrix_of_the_environments_that_have_a_file",),
    "login": (f"{CI}::test_docker_is_logged_in_by_standard_input",),
    "plugins": (f"{PLUGINS}::test_the_cli_is_asked_for_each_and_a_failure_stops_the_job",),
    "post": (
        f"{GITHUB}::test_a_comment_is_written_once_and_then_anew",
        f"{GITHUB}::test_without_credentials_it_says_which_variable_is_missing",
    ),
    "preview": (
        f"{CI}::test_with_a_state_the_comment_is_the_difference_to_it",
        f"{CI}::test_without_credentials_a_pull_request_gets_the_whole_plan_and_its_violations_at_the_line",
    ),
    "recipes": (f"{CI}::test_every_recipe_that_a_branch_changes_is_judged",),
    "release": (
        f"{CI}::test_a_release_brings_the_environment_up_and_asks_each_model",
        f"{CI}::test_without_a_state_what_needs_one_says_so",
    ),
    "sign": (
        f"{SIGNING}::test_each_image_is_signed_by_its_digest_and_its_bill_attested",
        f"{CI}::test_without_a_state_what_needs_one_says_so",
    ),
    "smoke": (
        f"{CI}::test_a_release_brings_the_environment_up_and_asks_each_model",
        f"{CI}::test_without_a_state_what_needs_one_says_so",
    ),
    "trial": (f"{CI}::test_a_trials_file_is_written_beside_the_others",),
}
"""What runs each command: with credentials and without, or the one test of what needs none or has both as its cases."""


def documents() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every workflow and action."""
    for file in FILES:
        # YAML 1.1 reads `on` as true; nothing here looks at it.
        yield file, yaml.safe_load(file.read_text(encoding="utf-8"))


def steps() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every step of every job and action."""
    for file, document in documents():
        jobs = document.get("jobs", {"": document.get("runs", {})})
        for job in jobs.values():
            yield from ((file, step) for step in job.get("steps", ()))


def scripts() -> str:
    """All that is run."""
    return "\n".join(step["run"] for _, step in steps() if "run" in step)


def test_actions_are_pinned_by_commit_and_say_which_version_that_is() -> None:
    """A tag can be moved to other code; a version in a comment is what the update bot and people read."""
    used = [line for file in FILES for line in file.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert len(used) > 20
    for line in used:
        if "uses: ./" not in line:
            assert re.search(r"uses: [\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_no_workflow_has_a_right_that_its_jobs_do_not_ask_for() -> None:
    """Rights are given by the job, and only two jobs may change anything."""
    for file, document in documents():
        if "jobs" not in document:
            continue
        assert document["permissions"] == {}, file
        for name, job in document["jobs"].items():
            rights = {right for right, level in job["permissions"].items() if level == "write"} - {"id-token"}
            assert rights == WRITES.get((file.name, name), set()), (file.name, name)
            assert job["permissions"]["contents"] == "read"


def test_no_key_is_kept_anywhere() -> None:
    """Roles are taken by OIDC; the one token is the run's own."""
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        assert "secrets." not in text, file
        assert not re.search("pull_request_target|workflow_run|AWS_SECRET|ACCESS_KEY", text), file


def test_logic_lies_in_scripts_that_run_anywhere() -> None:
    """A step is a line or two; what it calls is a target of the Makefile or a command of the toolchain."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = set(get_command(app).commands)  # type: ignore[attr-defined] # a group, as the app has several
    for _, step in steps():
        assert len(step.get("run", "").splitlines()) <= 2, step
    made = set(re.findall(r"make ([a-z-]+)(?: ([a-z-]+)$)?", scripts(), re.MULTILINE))
    assert {target for pair in made for target in pair if target} <= targets
    called = set(re.findall(r"toolchain ci ([a-z-]+)", scripts()))
    assert called <= commands
    assert called >= {"preview", "post", "release", "login", "drift", "trial", "smoke"}


def test_every_command_that_a_workflow_calls_is_run_by_a_test() -> None:
    """With and without credentials, and the tests are there."""
    assert set(re.findall(r"toolchain ci ([a-z-]+)", scripts())) == RUN.keys()
    for file, _, function in (test.partition("::") for tests in RUN.values() for test in tests):
        assert f"def {function}(" in (REPOSITORY / file).read_text(encoding="utf-8"), function


def test_the_throw_away_stack_is_taken_down_whatever_happened() -> None:
    """The destroy is the job's last step, and runs also after a failure or a cancellation."""
    trial = yaml.safe_load((FOLDER / "workflows" / "weekly.yml").read_text(encoding="utf-8"))["jobs"]["trial"]
    assert trial["steps"][-1] == {"if": "always()", "run": "make destroy ENV=trial"}


def test_prod_comes_after_staging_and_staging_after_dev_and_its_rehearsal() -> None:
    """And each is released by the same workflow, in its own environment of GitHub's, where approval is asked."""
    jobs = yaml.safe_load((FOLDER / "workflows" / "main.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["prod"]["needs"] == "staging"
    assert set(jobs["staging"]["needs"]) == {"dev", "rehearsal"}
    for name in ("dev", "staging", "prod"):
        assert jobs[name]["uses"] == "./.github/workflows/release.yml"
        assert jobs[name]["with"] == {"environment": name}
    release = yaml.safe_load((FOLDER / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]["release"]
    assert release["environment"] == "${{ inputs.environment }}"


def test_updates_are_looked_for_everywhere_that_something_is_pinned() -> None:
    """A service's lock that is left out grows old without a word."""
    text = (FOLDER / "dependabot.yml").read_text(encoding="utf-8")
    pinned = [*REPOSITORY.glob("services/*/requirements.lock"), *FOLDER.glob("actions/*/action.yml")]
    assert len(pinned) > 4
    for file in pinned:
        assert f'"/{file.parent.relative_to(REPOSITORY)}"' in text, file


@pytest.mark.engine
def test_actionlint_has_nothing_to_say() -> None:
    """Of expressions, contexts, shell and what each action takes."""
    done = subprocess.run(
        [install(["actionlint"])["actionlint"]], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.engine
def test_zizmor_has_nothing_to_say() -> None:
    """In its strictest mood; what is left out stands in .github/zizmor.yml with its reason."""
    done = subprocess.run(
        [Path(sys.executable).with_name("zizmor"), "--offline", "--persona=auditor", "--no-progress", FOLDER],
        env={key: value for key, value in os.environ.items() if key not in {"GH_TOKEN", "GITHUB_TOKEN"}},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "completed" in done.stderr, "a linter that found no file would be content, too"
