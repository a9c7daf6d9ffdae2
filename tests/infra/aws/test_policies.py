"""What IAM documents allow."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.aws import policies
from infra.platform import Access
from tests.infra.harness import ACCOUNT, REGION

BUCKET = "arn:aws:s3:::models"
DOCUMENTS = {
    "trust": policies.trust("eks.amazonaws.com", account_id=ACCOUNT),
    "read": policies.bucket_access({BUCKET: Access.READ}),
    "write": policies.bucket_access({BUCKET: Access.WRITE}),
    "write below": policies.bucket_access({BUCKET: Access.READ}, {BUCKET: "*/results"}),
    "tls": policies.tls_only(BUCKET),
    "flow logs": policies.flow_log_delivery("arn:aws:logs:x"),
    "tagging": policies.auto_mode_tagging(REGION, ACCOUNT),
}


def allowed(document: policies.Document) -> Iterator[dict[str, Any]]:
    """The statements that allow something."""
    return (statement for statement in document["Statement"] if statement["Effect"] == "Allow")


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_nothing_is_allowed_by_a_wildcard_action_or_by_exclusion(document: policies.Document) -> None:
    """Whatever AWS adds tomorrow is not allowed today."""
    assert document["Version"] == "2012-10-17"
    for statement in allowed(document):
        assert not {"NotAction", "NotResource", "NotPrincipal"} & statement.keys()
        assert not [action for action in statement["Action"] if "*" in action]


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_what_is_allowed_on_everything_has_a_condition(document: policies.Document) -> None:
    """The cluster makes what has no ARN yet: only what carries the cluster's own tag."""
    for statement in allowed(document):
        if statement.get("Resource") == "*":
            assert "aws:RequestTag/eks:eks-cluster-name" in statement["Condition"]["StringEquals"]


def test_a_reader_reads_its_bucket_and_does_nothing_else() -> None:
    """A reader reads its bucket and does nothing else."""
    lists, objects = policies.bucket_access({BUCKET: Access.READ})["Statement"]
    assert (lists["Action"], lists["Resource"]) == (["s3:ListBucket"], [BUCKET])
    assert (objects["Action"], objects["Resource"]) == (["s3:GetObject"], [f"{BUCKET}/*"])


def test_a_writer_cannot_delete() -> None:
    """A workload that is taken over cannot take the models with it: old versions stay."""
    actions = {action for statement in allowed(DOCUMENTS["write"]) for action in statement["Action"]}
    assert actions == {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}


def test_a_reader_may_write_into_its_folder_alone() -> None:
    """What others wrote stays as it is."""
    *_, objects, folder = policies.bucket_access({BUCKET: Access.READ}, {BUCKET: "*/results"})["Statement"]
    assert objects["Action"] == ["s3:GetObject"]
    assert folder["Resource"] == [f"{BUCKET}/*/results/*"]
    assert folder["Action"] == ["s3:AbortMultipartUpload", "s3:PutObject"]


def test_a_bucket_refuses_everybody_who_does_not_come_over_tls() -> None:
    """A bucket refuses everybody who does not come over TLS."""
    (statement,) = DOCUMENTS["tls"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Resource"] == [BUCKET, f"{BUCKET}/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_document_is_the_same_text_each_time() -> None:
    """Another order would be a change at every `up`."""
    assert policies.text({"b": 1, "a": 2}) == policies.text({"a": 2, "b": 1})
