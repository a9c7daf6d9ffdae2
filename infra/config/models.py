"""Which models a stack has."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from infra.naming import is_dns_label
from infra.section import Section

MODEL_NAME_LIMIT: Final = 40
"""Characters in a model's name: with `scoring-` or `bootstrap-` before it and a suffix after, it still fits a label."""

MODEL_LIMIT: Final = 10
"""Models in a stack: the local platform keeps ten node ports for them."""


def _model_name(text: str) -> str:
    if not is_dns_label(text, MODEL_NAME_LIMIT):
        message = f"must be lower-case letters, digits and inner hyphens, {MODEL_NAME_LIMIT} characters at most"
        raise ValueError(message)
    return text


ModelName = Annotated[str, AfterValidator(_model_name), Field(description="as in its URL and its registry folder")]


class ModelConfig(Section):
    """A model that the stack trains and serves."""

    name: ModelName


def _distinct(models: tuple[ModelConfig, ...]) -> tuple[ModelConfig, ...]:
    """Checked here and not by the type, which would count only the models that are right by themselves."""
    if not 1 <= len(models) <= MODEL_LIMIT:
        message = f"must be 1 to {MODEL_LIMIT} models, not {len(models)}"
        raise ValueError(message)
    names = [model.name for model in models]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        message = f"must have a name each; given more than once: {', '.join(repeated)}"
        raise ValueError(message)
    return models


Models = Annotated[tuple[ModelConfig, ...], AfterValidator(_distinct), Field(description="what to train and serve")]
