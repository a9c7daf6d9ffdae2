"""Outputs are documented."""

from infra.outputs import MEANINGS
from tests.infra.harness import ENVIRONMENTS, Environments, Rendered, configuration, render


def test_every_output_of_every_stack_has_a_meaning_and_no_other_has(local: Rendered, environment: Environments) -> None:
    """Whoever adds one says what it is; of what no environment has, a stack is made here."""
    with_cluster = render(configuration(drift={"engine": "dask"}))
    found = {*local.outputs, *with_cluster.outputs}.union(*(environment(name).outputs for name in ENVIRONMENTS))
    assert found == MEANINGS.keys()
