"""An environment's configuration, with changes on top."""

from toolchain.rehearsal.environment import with_changes


def test_objects_are_merged_and_everything_else_is_replaced() -> None:
    """As a person would edit the file."""
    config = {"aws": {"name": "prod", "zones": ["a", "b"], "gpu": {"limit": 1}}, "models": [1]}
    changed = with_changes(config, {"aws": {"zones": ["c"], "gpu": {"enabled": True}}, "scoring": {"replicas": 9}})
    assert changed == {
        "aws": {"name": "prod", "zones": ["c"], "gpu": {"limit": 1, "enabled": True}},
        "models": [1],
        "scoring": {"replicas": 9},
    }
    assert config["aws"] == {"name": "prod", "zones": ["a", "b"], "gpu": {"limit": 1}}
