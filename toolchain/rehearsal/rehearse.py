"""A rehearsal from beginning to end."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from infra.config.aws import AwsConfig
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY
from toolchain.progress import console
from toolchain.rehearsal.cluster import RehearsalCluster
from toolchain.rehearsal.environment import Environment, fresh_folder
from toolchain.rehearsal.instance_types import read
from toolchain.rehearsal.report import Report, StepFailedError
from toolchain.rehearsal.steps import STEPS, Stage

_NOTICE = """\
real: the program, Pulumi, the API server with its controllers and scheduler, Karpenter
simulated: the AWS account; nodes and pods (kwok), so that no container runs and every Job succeeds; images (a digest
  each, nothing is built); load balancers, disks and network interfaces, set by the rehearsal as AWS would; `aws eks
  get-token` by a stand-in
swapped: the class of the node pools, EKS Auto Mode's for Karpenter's simulated one, when they are admitted"""
"""Said at the start of every rehearsal; docs/adr/0005-rehearsal.md says more."""


def rehearse(name: str) -> None:
    """Rehearse an environment; what happens is shown as it does, and written to `build/rehearsal/<name>.json`.

    Raises:
        ToolchainError: a step failed, or it could not begin.
    """
    results = REPOSITORY / "build" / "rehearsal" / f"{name}.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(results.with_suffix(".lock"), timeout=0):
            _rehearse(name, results)
    except Timeout as error:
        raise ToolchainError(f"rehearsing {name}", "it is being rehearsed already", "wait for that to end") from error


def _rehearse(name: str, results: Path) -> None:
    environment = Environment(name, fresh_folder(name))
    aws = AwsConfig.model_validate_json(json.dumps(environment.aws))
    pools = aws.node_pools
    families = {
        *pools.cpu.families,
        *pools.gpu.instance_families,
        *(each for one in pools.extra for each in one.families),
    }
    types = read(aws.region, families, aws.network.zones)
    console.print(_NOTICE, markup=False)
    report = Report(name, [title for title, _ in STEPS], console)
    failure = ""
    try:
        with (
            _ended_in_order(),
            RehearsalCluster(environment.folder / "cluster", environment.account, types) as cluster,
        ):
            report.say(f"cluster up; {len(types)} instance types of {', '.join(sorted(families))} in {aws.region}")
            environment.connect(cluster.kubeconfig, cluster.path)
            stage = Stage(environment, cluster, report)
            for index, (_, run) in enumerate(STEPS):
                with report.step(index):
                    run(stage)
    except StepFailedError as error:
        failure = str(error)
    finally:
        report.write(results)
        console.print(report.table())
    if failure:
        title = next(entry.title for entry in report.entries if entry.failure)
        logs = f"see {environment.log} and the logs in {environment.folder / 'cluster'}"
        raise ToolchainError(f"rehearsing {name}: {title}", failure, logs)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let Ctrl-C and a request to end (`kill`) end what runs in order.

    The first one does, and those after it are ignored: make passes on what the whole group was sent already, and a
    second one would cut the ending short.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
