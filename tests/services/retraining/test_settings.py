"""The settings of retraining that pydantic alone does not judge."""

import pytest
from pydantic import ValidationError
from retraining.settings import RetrainingSettings


def test_the_ports_of_a_training_are_a_range_with_both_ends() -> None:
    """Without one LightGBM takes any."""
    assert list(RetrainingSettings(dask_ports="12400-12402").training_ports) == [12400, 12401, 12402]
    assert list(RetrainingSettings().training_ports) == []


@pytest.mark.parametrize("given", ["12400", "12401-12400", "0-5", "65535-65536", "a-b"])
def test_a_range_that_is_none_is_refused(given: str) -> None:
    """By name."""
    with pytest.raises(ValidationError, match="dask_ports"):
        RetrainingSettings(dask_ports=given)
