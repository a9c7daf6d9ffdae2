"""The whole stack on an embedded cluster of its own, brought up once for all tests of this folder but one."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.harness import Stack, make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tutorial has a cluster of its own, and a worker of pytest: most of both is waiting.

    It takes about as long as those of the other tests that no load disturbs; what is measured under load comes last.
    """
    for item in items:
        group = "tutorial" if item.path.name == "test_tutorial.py" else "stack"
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The stack, up; the cluster is taken away whole after the last test."""
    try:
        make("up")
        yield Stack(json.loads(make("outputs", quiet=True)))
    finally:
        make("clean")
