"""The platforms there are."""

from infra.config.stack import StackConfig
from infra.platform import Platform


def create_platform(config: StackConfig) -> Platform:
    """The platform that the configuration names.

    Imported where chosen: a stack pays for the SDKs of its own platform alone, and a cloud's SDK takes seconds to load.
    """
    match config.platform:
        case "local":
            from infra.local.platform import LocalPlatform  # noqa: PLC0415 (see above)

            return LocalPlatform("local", config)
        case "aws":
            from infra.aws.platform import AwsPlatform  # noqa: PLC0415 (see above)

            return AwsPlatform("aws", config)
