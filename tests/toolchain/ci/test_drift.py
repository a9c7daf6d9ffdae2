"""What a refresh would record anew is told, and nothing else."""

import json

from toolchain.ci.drift import deviations, report


def line(operation: str, name: str, **more: object) -> str:
    """An event of `pulumi refresh --preview-only --json`."""
    metadata = {
        "op": operation,
        "urn": f"urn:pulumi:dev::p::aws:s3/bucket:Bucket::{name}",
        "type": "aws:s3/bucket:Bucket",
    }
    return json.dumps({"sequence": 1, "resOutputsEvent": {"metadata": {**metadata, **more}}})


def test_what_changed_and_what_is_gone_is_told_with_its_properties() -> None:
    """And what stays as it is, is not."""
    events = [
        "a line that is no event",
        json.dumps({"sequence": 0, "resourcePreEvent": {"metadata": {"op": "refresh"}}}),
        line("same", "logs"),
        line("update", "models", detailedDiff={"tags.Owner": {}, "acl": {}}),
        line("delete", "predictions"),
    ]
    text = report("prod", deviations("\n".join(events)))
    assert text.splitlines()[:4] == [
        "2 resources of `prod` changed outside of Pulumi:",
        "",
        "- **Bucket `models`** was changed: `acl`, `tags.Owner`",
        "- **Bucket `predictions`** is gone",
    ]
    assert "make up ENV=prod" in text


def test_a_long_list_of_properties_is_cut() -> None:
    """An issue is read by people."""
    (found,) = deviations(line("update", "models", diffs=[f"p{index:02}" for index in range(13)]))
    assert str(found).endswith("`p09` and 3 more")
