"""One create fails, the one that is asked for."""

import pytest

from toolchain.doubles.aws.failures import Failures, Moment
from toolchain.doubles.errors import InvalidInputsError

CLUSTER = "aws:eks/cluster:Cluster"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (CLUSTER, Moment.BEFORE),
        (f"{CLUSTER}:before", Moment.BEFORE),
        (f"{CLUSTER}:after", Moment.AFTER),
        ("aws:eks/*:after", Moment.AFTER),
        ("platform", Moment.BEFORE),
        ("plat*:after", Moment.AFTER),
    ],
)
def test_the_first_that_matches_fails(text: str, moment: Moment) -> None:
    """By type or by name, at its moment; the second does not."""
    failures = Failures.parse(text)
    other = Moment.AFTER if moment is Moment.BEFORE else Moment.BEFORE
    assert not failures.strikes(CLUSTER, "platform", other)
    assert not failures.strikes("aws:ec2/vpc:Vpc", "network", moment)
    assert failures.strikes(CLUSTER, "platform", moment)
    assert not failures.strikes(CLUSTER, "platform", moment)


def test_nothing_fails_unasked() -> None:
    """As when the variable is not set."""
    assert not Failures.parse("").strikes(CLUSTER, "platform", Moment.BEFORE)


def test_a_pattern_that_fits_no_type_is_refused() -> None:
    """Otherwise nothing fails, and a rehearsal of the failure proves nothing; a name may be any."""
    with pytest.raises(InvalidInputsError, match="fits no type"):
        Failures.parse("aws:eks/podIdentity:*:after").check(["aws:eks/cluster:Cluster"])
    Failures.parse("aws:eks/*:after").check(["aws:eks/cluster:Cluster"])
    Failures.parse("cluster").check(["aws:eks/cluster:Cluster"])
