"""The pack can be run by Pulumi."""

import re
import subprocess
import sys
from pathlib import PurePosixPath

import yaml

from infra.policy.rules import RULES, STACK_RULES
from tests.infra.harness import ROOT
from tests.infra.test_boundaries import loaded

PACK = ROOT / "infra" / "policy"
NAMED = [
    *((rule.name, rule.severity) for rule in RULES),
    *((rule.name, rule.severity) for rule in STACK_RULES),
]


def test_the_pack_needs_nothing_but_python_and_the_policy_sdk() -> None:
    """Its environment is not the program's."""
    modules = loaded("import infra.policy.adapter, infra.policy.rules")
    assert {
        module for module in modules if module.split(".")[0] in {"pulumi", "pydantic", "yaml", "google", "grpc"}
    } == set()


def test_the_packs_environment_is_its_own_and_no_part_of_the_repository() -> None:
    """The two SDKs want different packages."""
    pack = yaml.safe_load((PACK / "PulumiPolicy.yaml").read_text(encoding="utf-8"))
    assert pack["runtime"]["name"] == "python"
    environment = (PACK / PurePosixPath(pack["runtime"]["options"]["virtualenv"])).resolve()
    assert environment == ROOT / "build" / "policy"
    assert "build/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_the_policy_sdk_is_pinned() -> None:
    """A pack that changes by itself would stop what it let pass yesterday."""
    lines = (PACK / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["pulumi-policy==1.21.0"]


_SDK = """
import pathlib, runpy, sys, types

class Thing:
    def __init__(self, **given):
        self.given = given

class Pack:
    def __init__(self, name, policies, enforcement_level):
        for policy in policies:
            print(policy.given["name"], policy.given["enforcement_level"], callable(policy.given["validate"]))

sdk = types.ModuleType("pulumi_policy")
sdk.EnforcementLevel = types.SimpleNamespace(MANDATORY="mandatory", ADVISORY="advisory")
sdk.PolicyConfigSchema = sdk.ResourceValidationPolicy = sdk.StackValidationPolicy = Thing
sdk.PolicyPack = Pack
sdk.proxy = types.ModuleType("pulumi_policy.proxy")
sdk.proxy.UnknownValueError = KeyError
sys.modules |= {"pulumi_policy": sdk, "pulumi_policy.proxy": sdk.proxy, "pulumi": types.ModuleType("pulumi")}
sys.path = [entry for entry in sys.path if entry != str(pathlib.Path.cwd().parents[1])]
runpy.run_path("__main__.py", run_name="__main__")
"""
"""The pack as Pulumi starts it, in its own folder, with a stand-in for the SDK that the tests' environment lacks."""


def test_the_pack_offers_every_rule_under_its_name() -> None:
    """The pack offers every rule under its name."""
    answer = subprocess.run(
        [sys.executable, "-c", _SDK], cwd=PACK, capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.splitlines() == [f"{name} {severity} True" for name, severity in NAMED]


def test_a_rules_name_is_one_that_the_engine_takes() -> None:
    """Lower case, digits and hyphens, as its configuration file spells them."""
    assert all(re.fullmatch(r"[a-z0-9-]{1,100}", name) for name, _ in NAMED)
