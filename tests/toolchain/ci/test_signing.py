"""Images are signed by the digest that runs, with the key that the environment names or with none."""

import json
from pathlib import Path

import pytest
import yaml

from toolchain.ci import signing
from toolchain.ci.signing import KEYLESS, commands, sign
from toolchain.errors import ToolchainError
from toolchain.paths import REPOSITORY

IMAGES = {
    service: f"111122223333.dkr.ecr.eu-central-1.amazonaws.com/realtime-ml/{service}@sha256:0123"
    for service in ("drift", "retraining", "scoring")
}


@pytest.fixture
def cosign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cosign and a Docker that write down what they are asked for, and a stack with images."""
    for name in ("cosign", "docker"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/{name}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setattr(signing, "outputs", lambda _name: {"images": IMAGES})
    return tmp_path / "cosign"


@pytest.mark.parametrize(("key", "by"), [("awskms:///alias/images", "--key=awskms:///alias/images "), (KEYLESS, "")])
def test_each_image_is_signed_by_its_digest_and_its_bill_attested(key: str, by: str, cosign: Path) -> None:
    """With a key that stays where it is, or by the run's own identity."""
    bills = cosign.parent / "bills"
    sign("prod", key, bills)
    assert cosign.read_text().splitlines() == [
        line
        for service, reference in sorted(IMAGES.items())
        for line in (
            f"sign --yes {by}{reference}",
            f"attest --yes {by}--type=cyclonedx --predicate={bills / service}.json {reference}",
        )
    ]
    for service, reference in IMAGES.items():
        bill = json.loads((bills / f"{service}.json").read_text())
        assert bill["metadata"]["component"]["version"] == reference


def test_nothing_but_a_digest_is_signed() -> None:
    """A tag may be another image by the time that somebody looks."""
    for reference in IMAGES.values():
        assert all(command[-1] == reference and "@sha256:" in reference for command in commands(reference, "b", "k"))


def test_a_signature_that_fails_stops_the_release(cosign: Path) -> None:
    """It says what cosign said."""
    program = cosign.parent / "bin" / "cosign"
    program.write_text("#!/bin/sh\necho 'AccessDenied: kms:Sign' >&2\nexit 1\n")
    with pytest.raises(ToolchainError, match="kms:Sign"):
        sign("prod", "awskms:///alias/images", cosign.parent / "bills")


def test_a_stack_without_images_is_told_to_release_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing signed is not signed well."""
    monkeypatch.setattr(signing, "outputs", lambda _name: {})
    with pytest.raises(ToolchainError, match="release it first"):
        sign("prod", KEYLESS)


def test_the_workflow_signs_where_a_key_is_named_and_after_the_release() -> None:
    """An environment without the variable is released as before."""
    text = (REPOSITORY / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["release"]["steps"]
    runs = [step.get("run", "") for step in steps]
    assert "ci release" in runs[-3]
    assert "ci sign" in runs[-1]
    assert [step["if"] for step in steps[-2:]] == ["vars.COSIGN_KEY != ''"] * 2
