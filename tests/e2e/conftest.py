"""The whole stack on an embedded cluster of its own, brought up once for all tests of this folder but one."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.harness import Stack, make


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The stack, up; the cluster is taken away whole after the last test."""
    try:
        make("up")
        yield Stack(json.loads(make("outputs", quiet=True)))
    finally:
        make("clean")
