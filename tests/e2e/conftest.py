"""The whole stack on an embedded cluster of its own, brought up once for all tests of this folder but two files."""

from collections.abc import Iterator

import pytest

from tests.e2e.harness import SHARED, Stack, running


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The stack, up; the cluster is taken away whole after the last test."""
    with running(SHARED) as one:
        yield one
