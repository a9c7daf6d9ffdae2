"""The process that the Pulumi CLI starts as `pulumi-resource-aws`."""

import sys

from toolchain.doubles.protos import skip_sdk

skip_sdk()

from toolchain.doubles.aws.provider import AwsProvider  # noqa: E402 - only what follows may import the SDK
from toolchain.doubles.engine import EngineLog  # noqa: E402
from toolchain.doubles.provider import serve_provider  # noqa: E402
from toolchain.doubles.server import engine_address  # noqa: E402


def main() -> None:
    """Serves the engine whose address is on the command line."""
    serve_provider(AwsProvider(EngineLog(engine_address(sys.argv[1:]))))


if __name__ == "__main__":
    main()
