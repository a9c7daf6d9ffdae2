"""Models to be tried against the small one, each different in one thing that is known."""

import re
from collections.abc import Callable

import lightgbm as lgb
import numpy as np
from lifecycle.features import CategoricalFeature, FeatureSchema
from lifecycle.manifest import Manifest, ModelFile, ParityRow
from lifecycle.registry import ModelRegistry
from retraining.training import Trained

Describe = Callable[[int, ModelFile], Manifest]


def publish(registry: ModelRegistry, text: str, trained: Trained, describe: Describe) -> int:
    """Puts a model with the features of the small one into a registry, with what it answers; gives its number."""
    parity = answers(text, trained)

    def described(number: int, file: ModelFile) -> Manifest:
        return describe(number, file).model_copy(update={"parity": parity})

    return registry.publish(text.encode(), described).version


def answers(text: str, trained: Trained) -> tuple[ParityRow, ...]:
    """The small model's parity rows, with what another model answers to them."""
    booster = lgb.Booster(model_str=text)
    rows = [np.array(trained.train.schema.encode(row.features)) for row in trained.parity]
    outputs = np.asarray(booster.predict(np.array(rows))).reshape(len(rows), -1).tolist()
    return tuple(
        row.model_copy(update={"outputs": tuple(float(output).hex() for output in found)})
        for row, found in zip(trained.parity, outputs, strict=True)
    )


def shorter(trained: Trained) -> str:
    """With all trees but the last: other probabilities of about the same distribution."""
    rounds = lgb.Booster(model_str=trained.text).num_trees() - 1
    return str(lgb.Booster(model_str=trained.text).model_to_string(num_iteration=rounds))


def shifted(trained: Trained, by: float) -> str:
    """With `by` added to every raw score."""
    booster = lgb.Booster(model_str=trained.text)
    for leaf in range(booster.dump_model()["tree_info"][0]["num_leaves"]):
        booster.set_leaf_output(0, leaf, booster.get_leaf_output(0, leaf) + by)
    return str(booster.model_to_string())


def slower(trained: Trained, times: int) -> str:
    """With so many times the trees, of which the added ones say nothing: the same probabilities, later."""
    head, rest = trained.text.split("Tree=0\n", 1)
    trees, tail = f"Tree=0\n{rest}".split("end of trees", 1)
    own = [f"Tree={tree}" for tree in trees.split("Tree=")[1:]]
    silent = [re.sub(r"leaf_value=.*", _zeros, tree) for tree in own]
    blocks = [
        re.sub(r"^Tree=\d+", f"Tree={number}", block) for number, block in enumerate([*own, *(silent * (times - 1))])
    ]
    sizes = " ".join(str(len(block)) for block in blocks)
    head = re.sub(r"tree_sizes=.*", f"tree_sizes={sizes}", head)
    return f"{head}{''.join(blocks)}end of trees{tail}"


def without_a_category(manifest: Manifest) -> tuple[Manifest, str, str]:
    """A manifest that does not know the last category of a feature; the feature and the category."""
    features = list(manifest.feature_schema.features)
    place, feature = next((n, f) for n, f in enumerate(features) if isinstance(f, CategoricalFeature))
    # Made anew: a copy keeps what the old one has worked out of its categories.
    features[place] = CategoricalFeature.model_validate(feature.model_dump() | {"categories": feature.categories[:-1]})
    schema = FeatureSchema(features=tuple(features))
    forgotten = feature.categories[-1]
    parity = tuple(row for row in manifest.parity if row.features[feature.name] != forgotten)
    return manifest.model_copy(update={"feature_schema": schema, "parity": parity}), feature.name, forgotten


def _zeros(found: re.Match[str]) -> str:
    return "leaf_value=" + " ".join("0" for _ in found[0].split())
