"""Which models a branch's files are about."""

from toolchain.ci.recipes import changed


def test_a_models_recipe_counts_and_nothing_beside_it() -> None:
    """Its generator does too; a sample request or a file somewhere below trains no other model."""
    paths = [
        "models/b_c/recipe.toml",
        "models/a/recipe.toml",
        "models/c/generator.py",
        "models/e/f/generator.py",
        "models/d/sample_request.json",
        "x/a/recipe.toml",
        "models/e/f/recipe.toml",
    ]
    assert changed(paths) == ["a", "b-c", "c"]
