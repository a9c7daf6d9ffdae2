"""What nobody waits for gives way, and runs all the same where it may not."""

import asyncio
import os

import pytest
from scoring.background import BackgroundThread


def test_its_thread_runs_only_while_no_other_wants_to() -> None:
    """The thread that answers requests stays as it is."""
    assert asyncio.run(BackgroundThread("test").run(os.sched_getscheduler, 0)) == os.SCHED_IDLE
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_sandbox_that_forbids_it_does_not_keep_the_work_from_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that could not load its model would never be ready."""

    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    assert asyncio.run(BackgroundThread("test").run(sum, [1, 2])) == 3
