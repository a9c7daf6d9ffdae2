"""How a service reads its configuration: environment variables, once, each problem named with its way out."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Final, Self, TypeAlias, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lifecycle.manifest import ModelName

_Settings = TypeVar("_Settings", bound=BaseSettings)

# Kubernetes puts these into every pod for every Service of the namespace, so a Service named `scoring` makes
# SCORING_PORT and others that nobody wrote.
_SERVICE_LINK: Final = re.compile(
    r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$"
)


class ConfigurationError(Exception):
    """The environment does not describe a service that can run; one entry for each problem."""

    def __init__(self, problems: list[str]) -> None:
        """Args: what is wrong, each with the variable's name and what would be right."""
        super().__init__("; ".join(problems))
        self.problems: Final = problems


StoreUrl: TypeAlias = Annotated[str, Field(pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?|file:///.*)$")]


class ModelsStoreSettings(BaseSettings):
    """Where the models are. The platform sets these variables on every workload."""

    model_config = SettingsConfigDict(frozen=True)

    model_store_url: StoreUrl = Field(
        description="Bucket and optional prefix, s3://models/prefix; or a folder for tests and tools, file:///path.",
    )
    aws_endpoint_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+/?$",
        description="An S3 server other than AWS. Plain http is accepted only when this says so.",
    )
    aws_region: str | None = Field(default=None, description="Region of the bucket; needed for s3:// URLs.")

    @model_validator(mode="after")
    def _s3_has_a_region(self) -> Self:
        if self.model_store_url.startswith("s3://") and not self.aws_region:
            message = "AWS_REGION is missing: an s3:// MODEL_STORE_URL needs the region of its bucket"
            raise ValueError(message)
        return self


class StoreSettings(ModelsStoreSettings):
    """Where the models are, and which of them a process is about."""

    model_name: ModelName = Field(description="The model this process is about: a folder of models/ with - for _.")


class PredictionStoreSettings(BaseSettings):
    """Where the predictions and their labels are; the endpoint and the region are those of the models' store."""

    model_config = SettingsConfigDict(frozen=True)

    prediction_store_url: StoreUrl = Field(
        description="Bucket and optional prefix, s3://predictions; or a folder for tests and tools, file:///path."
    )


def read_settings(kind: type[_Settings], environment: Mapping[str, str] | None = None) -> _Settings:
    """Reads settings of this kind from the environment.

    Args:
        kind: the settings class. A variable that starts with its prefix and is none of its settings is refused.
        environment: the process's own by default; only looked through for unknown names.

    Raises:
        ConfigurationError: a variable is missing, unknown, of the wrong type or out of range.
    """
    prefix = kind.model_config.get("env_prefix", "").upper()
    known = {f"{prefix}{name.upper()}" for name in kind.model_fields}
    names = os.environ if environment is None else environment
    problems = [
        f"{name} is not a setting; the settings are {', '.join(sorted(known))}"
        for name in sorted(map(str.upper, names))
        if prefix and name.startswith(prefix) and name not in known and not _SERVICE_LINK.search(name)
    ]
    try:
        settings = kind()
    except ValidationError as error:
        problems += [_problem(kind, prefix, details["loc"], details) for details in error.errors(include_url=False)]
    if problems:
        raise ConfigurationError(problems)
    return settings


def _problem(
    kind: type[BaseSettings], prefix: str, location: tuple[int | str, ...], details: Mapping[str, object]
) -> str:
    if not location:  # a rule over several settings names them itself
        return str(details["msg"]).removeprefix("Value error, ")
    field = str(location[0]).lower().removeprefix(prefix.lower())
    name = f"{prefix}{field.upper()}"
    description = kind.model_fields[field].description if field in kind.model_fields else None
    hint = f" ({description})" if description else ""
    if details["type"] == "missing":
        return f"{name} is missing{hint}"
    return f"{name} is {details['input']!r}: {details['msg']}{hint}"
