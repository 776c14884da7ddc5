"""``pulumi-resource-aws``: what the engine starts where the official plugin is not installed.

The rule of a plugin: the first line of output is the port; it ends at SIGINT and SIGTERM and when its parent is gone, and says whom it stands in for.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent import futures

import grpc  # type: ignore[import-untyped]  # no stubs
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc

from lab.aws.plugin.kinds import KINDS
from lab.aws.plugin.served import Provider

PARENT_SECONDS, THREADS = 0.5, 32


def main() -> int:
    """Serve until told to end."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    parent = os.getppid()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=THREADS), options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(KINDS), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    while not ended.wait(PARENT_SECONDS) and os.getppid() == parent:
        pass
    server.stop(grace=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
