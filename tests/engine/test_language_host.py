"""The language host runs a program as the official one does."""

import json

from tests.engine.harness import Stack

PROGRAM = """
import os, sys
import pulumi
import helper

config = pulumi.Config()
if config.get("fail") == "raise":
    helper.explode()
if config.get("fail") == "exit":
    sys.exit(3)
pulumi.export("facts", {
    "arguments": len(sys.argv),
    "folder": os.path.basename(os.getcwd()),
    "name": __name__,
    "organization": pulumi.get_organization(),
    "preview": pulumi.runtime.is_dry_run(),
    "project": pulumi.get_project(),
    "python_path": os.environ.get("PYTHONPATH"),
    "root": os.path.basename(pulumi.runtime.get_root_directory()),
    "shadowed": "language_program" in sys.modules or any("doubles" in entry for entry in sys.path),
    "stack": pulumi.get_stack(),
    "words": config.require_object("words"),
})
pulumi.export("token", config.require_secret("token"))
print("printed by the program")
"""
HELPER = """
def explode():
    raise ValueError("the fuse was lit")
"""


def test_a_program_runs_with_its_configuration_and_its_failures_are_readable(stack: Stack) -> None:
    """Configuration, secrets, stack and folder reach the program; what goes wrong in it is told without machinery."""
    stack.write(PROGRAM)
    (stack.folder / "infra" / "helper.py").write_text(HELPER)
    stack.configure(words=["a", "b"], token="tell nobody")  # noqa: S106 - not a real one
    outcome = stack.succeed("up")
    assert stack.outputs["facts"] == {
        "arguments": 2,
        "folder": "infra",
        "name": "__main__",
        "organization": "organization",
        "preview": False,
        "project": "trial",
        "python_path": None,
        "root": "project",
        "shadowed": False,
        "stack": "test",
        "words": ["a", "b"],
    }
    assert "tell nobody" not in json.dumps(stack.outputs["token"]), "an output made from a secret is encrypted"
    assert any(
        "printed by the program" in message for message in outcome.messages("info#err") + outcome.messages("info")
    )
    announced = [text for text in outcome.messages("info") if "stand-in for pulumi-language-python" in text]
    assert len(announced) == 1, "it says once that it stands in"

    stack.configure(fail="raise")
    raised = stack.command("preview")
    assert raised.code != 0
    assert "ValueError: the fuse was lit" in raised.errors
    assert "infra/__main__.py" in raised.errors
    assert "runpy" not in raised.errors
    assert raised.errors.count("ValueError: the fuse was lit") == 1, "the failure is told once"

    stack.configure(fail="exit")
    exited = stack.command("preview")
    assert exited.code != 0
    assert "the program exited with code 3" in exited.errors
