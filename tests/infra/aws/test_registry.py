"""Images and their tags."""

from pathlib import Path

from infra.aws.registry import content_tag
from infra.platform import Service
from tests.infra.harness import DIGEST, Environments, Rendered


def checkout(root: Path) -> Path:
    """A checkout with a service and a model."""
    for folder in ("services", "models"):
        (root / folder).mkdir()
        (root / folder / "file").write_text(folder, encoding="utf-8")
    return root


def test_a_tag_is_another_whenever_what_is_built_is(tmp_path: Path) -> None:
    """Tags are immutable: a second push under the same one is refused."""
    root = checkout(tmp_path)
    tags = [content_tag(root, ["arm64"]), content_tag(root, ["amd64"])]
    (root / "services" / "file").write_text("changed", encoding="utf-8")
    tags.append(content_tag(root, ["arm64"]))
    (root / "services" / "file").rename(root / "services" / "renamed")
    tags.append(content_tag(root, ["arm64"]))
    assert len(set(tags)) == len(tags)


def test_a_tag_is_the_same_for_the_same_content(tmp_path: Path) -> None:
    """What an image does not see, and how often it was looked at, is no change."""
    root = checkout(tmp_path)
    before = content_tag(root, ["amd64", "arm64"])
    (root / "services" / "__pycache__").mkdir()
    (root / "services" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (root / "README.md").write_text("x", encoding="utf-8")
    assert content_tag(root, ["arm64", "amd64"]) == before


def test_repositories_are_immutable_scanned_and_encrypted(aws: Rendered) -> None:
    """Repositories are immutable, scanned and encrypted, and do not grow for ever."""
    repositories = [resource for resource in aws.of_type("Repository") if resource.custom]
    assert {repository.name for repository in repositories} == {"scoring", "retraining", "drift"}
    for repository in repositories:
        assert repository.inputs["imageTagMutability"] == "IMMUTABLE"
        assert repository.inputs["imageScanningConfiguration"] == {"scanOnPush": True}
        assert repository.inputs["encryptionConfigurations"]
    assert len(aws.of_type("LifecyclePolicy")) == len(repositories)


def test_pods_name_images_by_digest(aws: Rendered) -> None:
    """What a pod runs is what was reviewed."""
    for type_, name in (("Deployment", "scoring-car-loan"), ("Job", "bootstrap-car-loan")):
        workload = aws.the(type_, name)
        (container,) = workload.containers
        assert container["image"].endswith(f"@{DIGEST}")


def test_what_was_tried_before_is_copied_by_its_content_and_not_built(environment: Environments) -> None:
    """Staging and prod run the very bytes that dev ran: the tag is the content's, and the copy keeps the digest."""
    built = {image.name: image.inputs["tags"] for image in environment("dev").of_type("Image")}
    assert built.keys() == {str(service) for service in Service}
    for name in ("staging", "prod"):
        rendered = environment(name)
        assert rendered.of_type("Image") == []
        for index in rendered.of_type("Index"):
            (source,) = index.inputs["sources"]
            (tag,) = built[index.name]
            assert source.rpartition(":")[2] == index.inputs["tag"].rpartition(":")[2] == tag.rpartition(":")[2]
            assert source.partition("/")[2] != index.inputs["tag"].partition("/")[2], "from another environment"


def test_a_preview_needs_no_docker_and_a_build_names_its_platforms(aws: Rendered) -> None:
    """Built on a laptop of another architecture, an image would not start."""
    for image in aws.of_type("Image"):
        assert image.inputs["buildOnPreview"] is False
        assert image.inputs["platforms"] == ["linux/arm64"]
