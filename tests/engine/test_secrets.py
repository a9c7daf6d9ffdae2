"""Secrets of the stack, through the real CLI: in the cluster, and never in clear in the state or in what is printed."""

import base64
import json

from tests.engine.harness import Kubectl, Stack

CHOSEN = "a-password-that-a-person-chose"

PROGRAM = f"""
import os
import pulumi
from pydantic import SecretStr

from infra.config.alert_receivers import AlertReceivers, WebhookReceiver
from infra.generated import generated_secret
from infra.monitoring.receivers import receivers
from infra.naming import App
import pulumi_kubernetes as k8s

app = App(name="secrets", instance="secrets", component="test")
made = generated_secret("token", "token", os.environ["NAMESPACE"], app, pulumi.ResourceOptions())
told = receivers(
    AlertReceivers(webhook=WebhookReceiver(url=SecretStr("https://example.com/{CHOSEN}"))), "http://retraining", []
)
k8s.core.v1.Secret(
    "receivers",
    metadata={{"namespace": os.environ["NAMESPACE"], "name": "receivers"}},
    string_data={{key: pulumi.Output.secret(value.get_secret_value()) for key, value in told.secrets.items()}},
)
k8s.core.v1.Secret(
    "copy", metadata={{"namespace": os.environ["NAMESPACE"], "name": "copy"}}, string_data={{"token": made.value}}
)
pulumi.export("token", made.value)
"""


def test_a_state_holds_no_secret_of_the_stack_in_clear(cluster_stack: Stack, kubectl: Kubectl) -> None:
    """Neither one that a person chose nor one that the stack made, however it is encoded, also after a refresh."""
    cluster_stack.write(PROGRAM)
    said = []
    for arguments in (("up",), ("up", "--refresh"), ("preview", "--diff")):
        outcome = cluster_stack.succeed(*arguments)
        said.append(json.dumps(outcome.events) + outcome.errors)
    found = json.loads(kubectl("get", "secrets", "--output=json"))["items"]
    data = [value for secret in found for value in secret["data"].values()]
    values = [base64.b64decode(value).decode() for value in data]
    assert any(CHOSEN in value for value in values)
    assert len(data) == 3
    for place in (cluster_stack.state_text(), *said):
        for secret in (*data, *values, CHOSEN):
            assert secret not in place
