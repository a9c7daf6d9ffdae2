"""Makes a model that trains and serves as it is: what is its own is then put in the place of the template's."""

import re
from pathlib import Path
from typing import Final

from toolchain.errors import ToolchainError

TEMPLATE: Final = Path(__file__).parent / "template"
NAME_IN_TEMPLATE: Final = "template-model"
CONFIGURATION: Final = "Pulumi.local.yaml"

_STEP: Final = "making a new model"
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
"""As infra/config/models.py and the folder's name, which has _ for -, want it."""
_MOST: Final = 10
"""Models in a stack; infra/config/models.py."""
_MODELS: Final = re.compile(r"^  [\w-]+:models:\n((?:    - name: \S+.*\n)+)", re.MULTILINE)


def new_model(root: Path, name: str) -> list[Path]:
    """Copies the template and adds the model to the local stack.

    Args:
        root: of the checkout.
        name: of the model.

    Returns:
        Every file that was written.

    Raises:
        ToolchainError: the name cannot be had, or the configuration has no list of models to add it to; nothing is
            written then.
    """
    if _NAME.fullmatch(name) is None:
        raise ToolchainError(
            _STEP,
            f"NAME={name!r} cannot be part of the names of pods and folders",
            "give lower-case letters, digits and inner hyphens, 40 characters at most",
        )
    folder = root / "models" / name.replace("-", "_")
    if folder.exists():
        raise ToolchainError(_STEP, f"{folder.relative_to(root)} exists", "give another NAME, or take the folder away")
    configuration = root / CONFIGURATION
    text = _with_model(configuration.read_text(encoding="utf-8"), name)
    folder.mkdir(parents=True)
    written = []
    for file in sorted(path for path in TEMPLATE.iterdir() if path.is_file()):
        target = folder / file.name
        target.write_text(file.read_text(encoding="utf-8").replace(NAME_IN_TEMPLATE, name), encoding="utf-8")
        written.append(target)
    configuration.write_text(text, encoding="utf-8")
    return [*written, configuration]


def _with_model(text: str, name: str) -> str:
    found = _MODELS.search(text)
    if found is None:
        raise ToolchainError(
            _STEP, f"{CONFIGURATION} has no list of models, a `- name:` a line", f"add `- name: {name}` to it by hand"
        )
    if len(found[1].splitlines()) >= _MOST:
        raise ToolchainError(
            _STEP,
            f"{CONFIGURATION} has {_MOST} models, which is the most",
            "take one out of it that is not needed here",
        )
    return f"{text[: found.end()]}    - name: {name}\n{text[found.end() :]}"
