"""Which cluster a kubeconfig means."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from toolchain.doubles.errors import RefusedError
from toolchain.doubles.kubernetes.kubeconfig import load
from toolchain.doubles.kubernetes.settings import Settings


def _config(name: str, **cluster: str) -> dict[str, Any]:
    return {
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.invalid", **cluster}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"{name}-space"}}],
        "users": [{"name": name, "user": {"token": "t"}}],
    }


def _file(folder: Path, name: str, **cluster: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(_config(name, **cluster)))
    return path


def test_the_content_may_be_given_itself() -> None:
    """As JSON or YAML, where a program makes it."""
    for text in (json.dumps(_config("one")), yaml.safe_dump(_config("one"))):
        assert load(Settings(kubeconfig=text), {}).cluster.server == "https://one.invalid"


def test_several_files_count_as_one(tmp_path: Path) -> None:
    """The first names the current context; the others add theirs."""
    environment = {"KUBECONFIG": f"{_file(tmp_path, 'one')}:{tmp_path / 'missing'}:{_file(tmp_path, 'two')}"}
    assert load(Settings(), environment).context_name == "one"
    assert load(Settings(context="two"), environment).cluster.server == "https://two.invalid"


def test_the_namespace_is_the_providers_or_else_the_contexts(tmp_path: Path) -> None:
    """In this order."""
    path = str(_file(tmp_path, "one"))
    assert load(Settings(kubeconfig=path), {}).namespace == "one-space"
    assert load(Settings(kubeconfig=path, namespace="ml"), {}).namespace == "ml"


def test_files_are_named_from_the_kubeconfigs_folder(tmp_path: Path) -> None:
    """Wherever the plugin runs."""
    path = _file(tmp_path, "one", **{"certificate-authority": "ca.crt"})
    chosen = load(Settings(kubeconfig=str(path)), {})
    assert chosen.cluster.certificate_auth == str(tmp_path / "ca.crt")


def test_verification_is_on_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    """Nothing here turns it off."""
    assert load(Settings(kubeconfig=str(_file(tmp_path, "one"))), {}).cluster.insecure is False


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (None, Settings(), "no kubeconfig at .*missing"),
        ("just text", Settings(), "is no kubeconfig"),
        ("a: [", Settings(), "is not YAML"),
        (json.dumps(_config("one")), Settings(context="two"), "'two'"),
        (json.dumps({**_config("one"), "current-context": None}), Settings(), r"no current context.*\['one'\]"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, content: str | None, settings: Settings, message: str) -> None:
    """With the file and what was looked for."""
    path = tmp_path / "missing"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RefusedError, match=message):
        load(settings, {"KUBECONFIG": str(path)})
