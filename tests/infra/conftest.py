"""What the tests of the program share."""

import functools

import pytest

from tests.infra.harness import ENVIRONMENTS, Environments, Rendered, environment_configuration, render


@pytest.fixture(scope="session")
def local() -> Rendered:
    """The `local` stack, as its configuration file has it."""
    return render()


@pytest.fixture(scope="session")
def environment() -> Environments:
    """A stack on AWS by its name, as its configuration file has it."""

    @functools.cache
    def rendered(name: str) -> Rendered:
        return render(environment_configuration(name), stack=name)

    return rendered


@pytest.fixture(params=ENVIRONMENTS)
def aws(request: pytest.FixtureRequest, environment: Environments) -> Rendered:
    """Each stack on AWS in turn."""
    return environment(str(request.param))


@pytest.fixture
def dev(environment: Environments) -> Rendered:
    """The `dev` stack."""
    return environment("dev")


@pytest.fixture
def prod(environment: Environments) -> Rendered:
    """The `prod` stack."""
    return environment("prod")
