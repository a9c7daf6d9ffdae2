"""Pulumi's generated gRPC code without the rest of its SDK.

`import pulumi` loads the automation API, OpenTelemetry and more: 0.3 s for each of the several plugins that one CLI
call starts, for code that a plugin never runs. The generated modules need none of it.
"""

import importlib.util
import sys


def skip_sdk() -> None:
    """Makes `pulumi.runtime.proto` importable without running `pulumi` and `pulumi.runtime`.

    Puts both packages in place unexecuted, so it must run before their first import and only in a process that needs
    nothing else of the SDK: a plugin's entry point. Packages that are already imported stay as they are.

    Raises:
        ModuleNotFoundError: the SDK is not installed for this interpreter.
    """
    for name in ("pulumi", "pulumi.runtime"):
        if name in sys.modules:
            continue
        spec = importlib.util.find_spec(name)
        if spec is None:
            message = f"{name} is not installed for {sys.executable}: install the project's requirements.txt there"
            raise ModuleNotFoundError(message, name=name)
        sys.modules[name] = importlib.util.module_from_spec(spec)
