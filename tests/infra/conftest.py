"""What the tests of the program share."""

import pytest

from tests.infra.harness import Rendered, render


@pytest.fixture(scope="session")
def local() -> Rendered:
    """The `local` stack, as its configuration file has it."""
    return render()
