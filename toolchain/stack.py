"""The `local` stack from the outside: bring it up, ask it something, take it away."""

import json
import os
import secrets
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx
import yaml
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from toolchain import forwards, images, pulumi_cli
from toolchain.api_key import key_headers
from toolchain.cluster import node
from toolchain.cluster.settings import ClusterSettings
from toolchain.errors import ToolchainError
from toolchain.install import install
from toolchain.paths import REPOSITORY, state_dir
from toolchain.progress import console, step
from toolchain.tools import MODULES, TOOLS

_SECRET_KEY = "realtime-ml:object_store_secret_key"  # noqa: S105 - the name of a key, not its value
_IMAGES = "realtime-ml:images"
_MODELS = REPOSITORY / "models"


@dataclass(frozen=True)
class Target:
    """The cluster that the stack runs on.

    Attributes:
        name: of the stack's folder: the embedded cluster's name, or the context's.
        kubeconfig: the file whose context is used.
        settings: the configuration that follows from the cluster, on top of Pulumi.local.yaml.
        embedded: the embedded cluster, unless it is another.
    """

    name: str
    kubeconfig: Path
    settings: dict[str, object]
    embedded: ClusterSettings | None

    @property
    def folder(self) -> Path:
        """Where the stack's state, configuration and passphrase are kept."""
        return _folder(self.name)


def target(*, start: bool) -> Target:
    """The cluster that is asked for: the one of `KUBE_CONTEXT`, else the embedded one, started if need be.

    Raises:
        ToolchainError: there is no such context, it has no registry, or the embedded cluster does not start.
    """
    context = os.environ.get("KUBE_CONTEXT")
    return _existing(context) if context else _embedded(start=start)


def up(chosen: Target) -> None:
    """Run `pulumi up`, then ask the model for a prediction and show where to look next."""
    if chosen.embedded is not None:
        forwards.stop(chosen.folder)  # left from when the same cluster was used through its context
    with step("pulumi up", 120, shows_itself=True):
        _pulumi(chosen, "up", "--yes", "--skip-preview", "--refresh")
    answers = outputs(chosen)
    for model, base in cast("dict[str, str]", answers["scoring_urls"]).items():
        _show_prediction(f"{base}/v1/predict", _MODELS / model.replace("-", "_") / "sample_request.json")
    console.print(
        f"where to look next:\n  metrics    {answers['prometheus_url']}\n"
        f"  alerts     {answers['alertmanager_url']}\n  objects    {answers['object_store_url']}\n"
        f"  cluster    export KUBECONFIG={answers['kubeconfig']}\n"
        "  outputs    make outputs\n  take away  make destroy, make clean"
    )


def _show_prediction(url: str, sample: Path) -> None:
    try:
        answer = _ask(url, json.loads(sample.read_text(encoding="utf-8")))
    except httpx.HTTPError as error:
        raise ToolchainError(
            "asking the model for a prediction",
            f"POST {url}: {error}",
            "see `kubectl --namespace=ml get pods` and their logs; KUBECONFIG is in `make outputs`",
        ) from error
    console.print(f"\n[bold]{url}[/bold] answers")
    console.print_json(json.dumps(answer))
    console.print(
        f"\nask it yourself:\n  curl -s {url} -H 'content-type: application/json' -d @{sample.relative_to(REPOSITORY)}"
    )


def preview(chosen: Target) -> None:
    """Show what `up` would change."""
    _pulumi(chosen, "preview", "--diff")


def destroy(chosen: Target) -> None:
    """Take the stack's objects out of the cluster."""
    forwards.stop(chosen.folder)
    with step("pulumi destroy", 60, shows_itself=True):
        _pulumi(chosen, "destroy", "--yes", "--skip-preview", "--refresh")


def clean(chosen: Target) -> None:
    """Take away the stack, its state, and the embedded cluster with its data; another cluster stays."""
    if chosen.embedded is None:
        destroy(chosen)
        console.print(f"the cluster of context {chosen.name} is not ours and stays; the stack is out of it")
    else:
        forwards.stop(chosen.folder)
        node.clean(chosen.embedded)
    shutil.rmtree(chosen.folder, ignore_errors=True)


def outputs(chosen: Target) -> dict[str, object]:
    """The stack's plain outputs, with the addresses and the kubeconfig as they are on this machine."""
    text = _pulumi(chosen, "stack", "output", "--json", capture=True)
    answers = {name: value for name, value in json.loads(text or "{}").items() if value != "[secret]"}
    if not answers:
        raise ToolchainError(
            "reading the stack's outputs", f"the stack on {chosen.name} is not up", "run `make up` first"
        )
    plain = json.dumps(answers)
    for inside, outside in _addresses(chosen, plain).items():
        plain = plain.replace(inside, outside)
    return {**json.loads(plain), "kubeconfig": str(chosen.kubeconfig)}


def _addresses(chosen: Target, answers: str) -> dict[str, str]:
    """What the cluster calls its addresses, and what leads there from this machine."""
    if chosen.embedded is not None:
        return {
            f"http://127.0.0.1:{inside}": f"http://127.0.0.1:{outside}"
            for outside, inside in chosen.embedded.relays.values()
        }
    kubectl = install(["kubectl"])["kubectl"]
    return forwards.ensure(chosen.folder, kubectl, chosen.kubeconfig, forwards.in_cluster_urls([answers]))


def _embedded(*, start: bool) -> Target:
    settings = ClusterSettings.from_environment()
    local: dict[str, object] = {
        "kube_context": settings.name,
        "registry": settings.registry,
        "exposure": "node_port",  # the node's relays lead there
    }
    configuration: dict[str, object] = {"realtime-ml:local": local}
    if start:
        node.check(settings)
        _get_everything()
        node.up(settings)
        base = images.provide_base(settings.registry)
        local["base_image"] = base
        configuration[_IMAGES] = images.provide(
            settings.registry, images.stack_images(install(["alertmanager", "prometheus", "versitygw"])), base
        )
    return Target(settings.name, settings.kubeconfig, configuration, settings)


def _folder(name: str) -> Path:
    # Contexts of EKS are called arn:aws:eks:...:cluster/name.
    return state_dir() / "stacks" / name.replace("/", "_")


def _get_everything() -> None:
    """Whatever has to be downloaded or built; the base image needs the network while Go needs the processors."""
    wanted = [tool for tool in TOOLS.values() if tool.for_up]
    install(tool.name for tool in wanted if tool.source not in MODULES)
    with ThreadPoolExecutor(1) as pool:
        base = pool.submit(images.base_file_system)
        install(tool.name for tool in wanted)
        base.result()


def _existing(context: str) -> Target:
    title = f"looking at the cluster of context {context}"
    kubectl = str(install(["kubectl"])["kubectl"])
    folder = _folder(context)
    folder.mkdir(parents=True, exist_ok=True)
    # A kubeconfig of this context alone, so that nothing that uses it can meet another cluster.
    kubeconfig = folder / "kubeconfig"
    alone = _ask_cluster(title, [kubectl, f"--context={context}", "config", "view", "--minify", "--flatten", "--raw"])
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(alone, encoding="utf-8")
    hosting = _ask_cluster(
        title,
        [
            *(kubectl, f"--kubeconfig={kubeconfig}", "get", "configmap", "local-registry-hosting"),
            *("--namespace=kube-public", "--ignore-not-found", "--request-timeout=20s"),
            "--output=jsonpath={.data.localRegistryHosting\\.v1}",
        ],
    )
    registry = os.environ.get("REGISTRY") or (yaml.safe_load(hosting) or {}).get("host")
    if not registry:
        raise ToolchainError(
            title,
            "it does not say where its image registry is (ConfigMap kube-public/local-registry-hosting)",
            "give one that both this machine and the cluster reach: make up KUBE_CONTEXT=... REGISTRY=host:port",
        )
    # Its nodes need not be this machine, and its node ports may be taken: Services are reached by forwarded ports.
    local = {"kube_context": context, "registry": registry, "exposure": "cluster_ip"}
    return Target(context, kubeconfig, {"realtime-ml:local": local}, None)


def _ask_cluster(title: str, command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise ToolchainError(
            title,
            (done.stderr.strip().splitlines() or ["kubectl said nothing"])[-1],
            "see `kubectl config get-contexts`; KUBECONFIG names the file it is looked for in",
        )
    return done.stdout


def _pulumi(chosen: Target, *arguments: str, capture: bool = False) -> str:
    """Run the Pulumi CLI on the target's stack."""
    environment = {**pulumi_cli.environment(chosen.folder), "KUBECONFIG": str(chosen.kubeconfig)}
    config = _config_file(chosen)
    pulumi_cli.init(chosen.folder, "local", environment)
    _ensure_secret(chosen.folder, config, environment)
    file = () if arguments[0] == "stack" else ("--config-file", str(config))
    return pulumi_cli.run(["--cwd", REPOSITORY, *arguments, "--stack", "local", *file], environment, capture=capture)


def _config_file(chosen: Target) -> Path:
    """The stack's configuration: Pulumi.local.yaml, what follows from the cluster, and the secrets made for it."""
    known = pulumi_cli.kept_config(chosen.folder, "local").get("config", {})
    document = pulumi_cli.read_config("local")
    config = document.setdefault("config", {})
    for key, value in chosen.settings.items():
        before = known.get(key, {})
        config[key] = {**before, **value, **config.get(key, {})} if isinstance(value, dict) else value
    # Made for this cluster by an earlier run, and as good when it is used through its context.
    config |= {key: known[key] for key in (_SECRET_KEY, _IMAGES) if key in known and key not in config}
    return pulumi_cli.write_config(chosen.folder, "local", document)


def _ensure_secret(folder: Path, config: Path, environment: dict[str, str]) -> None:
    """Make the object store's key once; it goes in by standard input, so that no process list shows it."""
    if _SECRET_KEY not in yaml.safe_load(config.read_text(encoding="utf-8"))["config"]:
        arguments: list[str | Path] = ["--cwd", folder, "config", "set", "--secret", _SECRET_KEY, "--stack", "local"]
        pulumi_cli.run(arguments, environment, capture=True, text=secrets.token_urlsafe(32))


# The Deployment is ready by now; the relay to it may need a moment more.
@retry(retry=retry_if_exception_type(httpx.HTTPError), stop=stop_after_delay(30), wait=wait_fixed(0.5), reraise=True)
def _ask(url: str, request: object) -> object:
    answer = httpx.post(url, json=request, headers=key_headers(), timeout=10)
    answer.raise_for_status()
    return answer.json()
