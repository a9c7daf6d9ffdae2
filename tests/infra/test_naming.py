"""Names and labels."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.naming import NAME_LIMIT, App, dns_label, is_dns_label

labels = st.from_regex(re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"), fullmatch=True)


@given(st.lists(labels, min_size=1), st.integers(min_value=12, max_value=NAME_LIMIT))
def test_a_name_made_of_labels_is_a_label_within_its_limit(parts: list[str], limit: int) -> None:
    """A name made of labels is a label within its limit."""
    assert is_dns_label(dns_label(*parts, limit=limit), limit)


@given(st.lists(labels, min_size=1))
def test_a_name_that_fits_is_not_changed(parts: list[str]) -> None:
    """A name that fits is not changed."""
    name = "-".join(parts)
    assert dns_label(*parts, limit=len(name)) == name


def test_long_names_with_the_same_beginning_stay_apart() -> None:
    """They would otherwise be one object."""
    stem = "m" * 80
    assert dns_label(stem, "one") != dns_label(stem, "two")


@pytest.mark.parametrize("part", ["", "Car", "car_loan", "-car", "car-", "car loan", "car.loan", "ü", "car\n"])
def test_a_part_that_is_no_label_is_refused_by_its_value(part: str) -> None:
    """A part that is no label is refused by its value."""
    with pytest.raises(ValueError, match=re.escape(repr(part))):
        dns_label("scoring", part)


def test_the_selector_is_part_of_the_labels() -> None:
    """It would otherwise choose nothing."""
    app = App(name="scoring", instance="car-loan", component="inference")
    assert app.selector.items() < app.labels.items()


def test_every_app_says_that_it_is_part_of_this_project_and_managed_by_pulumi() -> None:
    """Every app says that it is part of this project and managed by Pulumi."""
    assert App(name="scoring", instance="car-loan", component="inference").labels == {
        "app.kubernetes.io/name": "scoring",
        "app.kubernetes.io/instance": "car-loan",
        "app.kubernetes.io/component": "inference",
        "app.kubernetes.io/part-of": "realtime-ml",
        "app.kubernetes.io/managed-by": "pulumi",
    }
