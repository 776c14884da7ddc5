"""A real `python -m pulumi.dynamic` process, driven over gRPC as the engine drives it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]  # no stubs
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]  # no stubs
from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime import rpc
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
CALL_SECONDS = 60.0
URN = "urn:pulumi:lab::emqx::pulumi-python:dynamic/emqx:Thing::thing"
Props = Mapping[str, Any]


class FakeEngine(engine_pb2_grpc.EngineServicer):
    """Only hears what is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ephemeral: list[bool] = []
        self.urns: list[str] = []

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        if not request.message:  # clears the resource's row
            return empty_pb2.Empty()
        self.lines.append(request.message)
        self.ephemeral.append(request.ephemeral)
        self.urns.append(request.urn)
        return empty_pb2.Empty()


@dataclass
class DynamicProcess:
    """One provider process. Properties are plain dicts; ``unknown`` stands for a value that a preview cannot know.

    A failing call raises grpc.RpcError, whose ``details()`` is the text that the engine shows.
    """

    process: subprocess.Popen[bytes]
    stub: Any
    engine: FakeEngine
    reader: threading.Thread
    output: list[str]
    unknown: str = rpc.UNKNOWN

    def configure(self, config: Mapping[str, str]) -> None:
        """The stack's configuration: ``{"emqx:credentials": "{...}"}``, objects as JSON text."""
        self._call("Configure", provider_pb2.ConfigureRequest(args=struct(config), acceptSecrets=True))

    def check(self, provider: ResourceProvider, news: Props, olds: Props | None = None) -> list[tuple[str, str]]:
        """Every failure as (property, reason)."""
        request = provider_pb2.CheckRequest(olds=self._bag(provider, olds or {}), news=self._bag(provider, news))
        return [(failure.property, failure.reason) for failure in self._call("Check", request).failures]

    def diff(self, provider: ResourceProvider, id_: str, olds: Props, news: Props) -> tuple[bool, list[str]]:
        """Whether something changes, and which properties replace the resource."""
        bags = {"olds": self._bag(provider, olds), "news": self._bag(provider, news)}
        answer = self._call("Diff", provider_pb2.DiffRequest(id=id_, **bags))
        return answer.changes == provider_pb2.DiffResponse.DIFF_SOME, list(answer.replaces)

    def create(self, provider: ResourceProvider, props: Props) -> tuple[str, dict[str, Any]]:
        """Id and outputs."""
        answer = self._call("Create", provider_pb2.CreateRequest(urn=URN, properties=self._bag(provider, props)))
        return answer.id, plain(answer.properties)

    def update(self, provider: ResourceProvider, id_: str, olds: Props, news: Props) -> dict[str, Any]:
        """The new outputs."""
        bags = {"olds": self._bag(provider, olds), "news": self._bag(provider, news)}
        return plain(self._call("Update", provider_pb2.UpdateRequest(urn=URN, id=id_, **bags)).properties)

    def read(self, provider: ResourceProvider, id_: str, props: Props) -> tuple[str, dict[str, Any]]:
        """Id (empty: gone) and outputs as the world has them."""
        answer = self._call("Read", provider_pb2.ReadRequest(urn=URN, id=id_, properties=self._bag(provider, props)))
        return answer.id, plain(answer.properties)

    def delete(self, provider: ResourceProvider, id_: str, props: Props) -> None:
        """Take the resource away."""
        self._call("Delete", provider_pb2.DeleteRequest(id=id_, properties=self._bag(provider, props)))

    def cancel(self) -> None:
        """What the engine calls at Ctrl-C."""
        self._call("Cancel", empty_pb2.Empty())

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(CALL_SECONDS)
        self.reader.join(CALL_SECONDS)

    def _bag(self, provider: ResourceProvider, props: Props) -> struct_pb2.Struct:
        return struct({**props, "__provider": serialize_provider(provider)})

    def _call(self, name: str, request: Any) -> Any:
        return getattr(self.stub, name)(request, timeout=CALL_SECONDS)


def struct(values: Props) -> struct_pb2.Struct:
    """A dict as the protocol carries it."""
    return json_format.ParseDict(dict(values), struct_pb2.Struct())


def plain(values: struct_pb2.Struct) -> dict[str, Any]:
    """The protocol's properties as a dict, without the provider; every number is a float."""
    return {key: value for key, value in json_format.MessageToDict(values).items() if key != "__provider"}


@pytest.fixture
def start_provider(tmp_path: Path) -> Iterator[Callable[..., DynamicProcess]]:
    """``start_provider(config={}, cwd=tmp_path, env={})``: a configured process; all are ended after the test."""
    started: list[tuple[DynamicProcess, grpc.Server]] = []

    def start(
        config: Mapping[str, str] | None = None, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> DynamicProcess:
        engine = FakeEngine()
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
        engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        environment = {**os.environ, "PULUMI_PROJECT": "emqx", "PYTHONPATH": f"{ROOT}:{tmp_path}", **(env or {})}
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "pulumi.dynamic", address],
            cwd=cwd or tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        port = int(process.stdout.readline())
        stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))
        output: list[str] = []
        reader = threading.Thread(target=read_lines, args=(process.stdout, output), daemon=True)
        reader.start()
        running = DynamicProcess(process, stub, engine, reader, output)
        started.append((running, server))
        running.configure(config or {})
        return running

    yield start
    for running, server in started:
        running.kill()
        server.stop(grace=None)


def read_lines(source: Any, lines: list[str]) -> None:
    """Keep what the process prints, as it comes."""
    with source:
        for line in source:
            lines.append(line.decode().rstrip("\n"))  # noqa: PERF401  -- a test looks at the list meanwhile
