"""The messages of Pulumi's protocol without its SDK, whose other modules take the host, which needs none of them, most of its start.

The rule: only a process that runs no program may import this, since `pulumi` is nothing but a place for the messages in it.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PACKAGES = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")


def stand_in() -> None:
    """Packages that find their modules where the SDK's do, and whose own `__init__` is not run."""
    found = importlib.util.find_spec(PACKAGES[0])
    if found is None or found.origin is None:
        raise ModuleNotFoundError("Pulumi's SDK is not installed beside the language host: run `make setup`")
    for name in PACKAGES:
        package = ModuleType(name)
        package.__path__ = [str(Path(found.origin).parent.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package


stand_in()

from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS as CHANNEL_OPTIONS  # noqa: E402
from pulumi.runtime.proto import language_pb2 as messages  # noqa: E402
from pulumi.runtime.proto import language_pb2_grpc as services  # noqa: E402
from pulumi.runtime.proto import plugin_pb2 as plugins  # noqa: E402

__all__ = ["CHANNEL_OPTIONS", "messages", "plugins", "services"]
