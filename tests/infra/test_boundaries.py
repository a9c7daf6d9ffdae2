"""Which part may know of which."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.harness import ROOT

KUBERNETES_PARTS = {
    "apps.v1",
    "autoscaling.v2",
    "batch.v1",
    "core.v1",
    "meta.v1",
    "networking.v1",
    "policy.v1",
    "rbac.v1",
}
"""What the program uses of an SDK whose whole takes several seconds to import."""


def imports(file: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(folder: str, forbidden: tuple[str, ...], exempt: str | None = None) -> list[str]:
    """Imports of forbidden packages in a folder."""
    return [
        f"{file.relative_to(ROOT)} imports {module}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        if exempt is None or ROOT / exempt not in file.parents
        for module in imports(file)
        if any(module == package or module.startswith(f"{package}.") for package in forbidden)
    ]


@pytest.mark.parametrize(
    ("folder", "forbidden", "exempt"),
    [
        ("services", ("pulumi", "pulumi_kubernetes", "pulumi_docker_build", "infra", "monitoring"), None),
        ("monitoring", ("pulumi", "pulumi_kubernetes", "infra", "services"), None),
        ("infra", ("lifecycle", "scoring", "retraining", "services", "toolchain", "tests"), None),
        ("infra", ("pulumi_aws",), "infra/aws"),
        ("infra", ("infra.local",), "infra/local"),
        ("infra", ("infra.aws",), "infra/aws"),
        ("infra/aws", ("infra.local",), None),
        ("infra/local", ("infra.aws",), None),
    ],
)
def test_a_part_does_not_know_of_the_parts_above_or_beside_it(
    folder: str, forbidden: tuple[str, ...], exempt: str | None
) -> None:
    """A part does not know of the parts above or beside it."""
    allowed = {
        "infra/platforms.py imports infra.local.platform",
        "infra/platforms.py imports infra.local.platform.LocalPlatform",
        "infra/platforms.py imports infra.aws.platform",
        "infra/platforms.py imports infra.aws.platform.AwsPlatform",
        # What AWS has is needed to check what it is asked for; these are tables, without an SDK.
        "infra/config/aws.py imports infra.aws.instance_families",
        "infra/config/aws.py imports infra.aws.instance_families.GENERAL_PURPOSE",
        "infra/config/aws.py imports infra.aws.instance_families.INSTANCE_FAMILIES",
        "infra/config/aws.py imports infra.aws.instance_families.Architecture",
        "infra/config/aws.py imports infra.aws.subnets",
        "infra/config/aws.py imports infra.aws.subnets.NARROWEST_PREFIX",
        "infra/config/aws.py imports infra.aws.subnets.WIDEST_PREFIX",
        "infra/config/aws.py imports infra.aws.subnets.ZONE_LIMIT",
    }
    assert set(offences(folder, forbidden, exempt)) <= allowed


def test_the_check_finds_an_import_that_is_not_allowed() -> None:
    """A check that finds nothing anywhere would pass as well."""
    assert offences("infra", ("infra.naming",))


def loaded(program: str) -> set[str]:
    """The modules that a new process has after running this program."""
    answer = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(answer.stdout.split())


@pytest.mark.engine  # a process of its own
def test_the_local_stack_loads_the_sdks_that_it_uses_and_no_others() -> None:
    """The SDKs are most of what a preview waits for."""
    modules = loaded(
        "import infra.local.platform, infra.monitoring.monitoring, infra.outputs, infra.platforms, "
        "infra.workloads.bootstrap, "
        "infra.workloads.scoring, pulumi_kubernetes as k8s\n"
        # Loaded on first use: a resource is made of these.
        "k8s.apps.v1.Deployment, k8s.autoscaling.v2.HorizontalPodAutoscaler, k8s.batch.v1.Job, k8s.core.v1.Pod, "
        "k8s.meta.v1.ObjectMetaArgs, k8s.networking.v1.NetworkPolicy, k8s.policy.v1.PodDisruptionBudget, "
        "k8s.rbac.v1.Role"
    )
    # A part that is only announced has no inputs yet.
    parts = {module for module in modules if re.fullmatch(r"pulumi_kubernetes\.\w+\.\w+\._inputs", module)}
    assert parts == {f"pulumi_kubernetes.{part}._inputs" for part in KUBERNETES_PARTS}
    assert "pulumi_aws" not in modules


def test_the_platform_module_does_not_stand_in_for_pythons_own() -> None:
    """Pulumi runs the program with infra/ first on the path, where `import platform` would find infra/platform.py."""
    program = (
        f"import pulumi, sys\nsys.path.insert(0, {str(ROOT / 'infra')!r})\nimport platform\nassert platform.machine()"
    )
    assert "platform" in loaded(program)
