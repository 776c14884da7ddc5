"""The pack as the engine runs it: a process that answers over gRPC; and its tokens, which are those of the components."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
import yaml
from google.protobuf import struct_pb2  # type: ignore[import-untyped]
from pulumi.dynamic import Resource
from pulumi.runtime.proto import analyzer_pb2 as messages
from pulumi.runtime.proto import analyzer_pb2_grpc as services

import components.resources

pytestmark = pytest.mark.policy

PACK = Path(__file__).parents[2] / "policies"
tokens: Any = importlib.import_module("rules.tokens")


def test_the_tokens_are_those_of_the_components() -> None:
    for found in pkgutil.iter_modules(components.resources.__path__):
        importlib.import_module(f"components.resources.{found.name}")
    pending, ours = [Resource], set()
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        name = getattr(kind, "_resource_type_name", "")
        if kind.__module__.startswith("components.") and "/" in name:
            ours.add(f"pulumi-python:{name}")
    assert ours == tokens.DYNAMIC


def test_the_component_tokens_stand_in_the_components() -> None:
    written = "".join(path.read_text() for path in (PACK.parent / "components").rglob("*.py"))
    assert all(f'"{token}"' in written for token in tokens.COMPONENTS)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that uses the pack by a link, as workspaces do."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "policies").symlink_to(PACK)
    return tmp_path


@pytest.fixture
def pack(project: Path) -> Iterator[Any]:
    """The running pack."""
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(project / "policies")]
    with subprocess.Popen(command, cwd=PACK, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            yield services.AnalyzerStub(channel)
        process.kill()


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


def analyze(pack: Any, token: str, inputs: Mapping[str, Any]) -> list[Any]:
    request = messages.AnalyzeRequest(type=token, properties=struct(inputs), urn="urn:pulumi:dev::emqx::x", name="x")
    return list(pack.Analyze(request, timeout=60, wait_for_ready=True).diagnostics)


def configure(pack: Any, config: dict[str, str], secret: list[str]) -> None:
    request = messages.AnalyzerStackConfigureRequest(
        stack="lone", project="emqx", config=config, config_secret_keys=secret
    )
    pack.ConfigureStack(request, timeout=60, wait_for_ready=True)


def test_the_pack_serves_its_mandatory_policies(pack: Any) -> None:
    info = pack.GetAnalyzerInfo(messages.AnalyzerHandshakeRequest(), timeout=60, wait_for_ready=True)
    assert info.name == "emqx-upgrade"
    assert {policy.enforcementLevel for policy in info.policies} == {messages.MANDATORY}
    said = analyze(pack, tokens.CUTOVER, {"steps": [{"share": 50}]})
    assert any("the last share is 50" in one.message for one in said)
    assert {one.enforcementLevel for one in said} == {messages.MANDATORY}


def test_the_configuration_that_the_engine_tells_is_heard(pack: Any, project: Path) -> None:
    (unheard,) = analyze(pack, tokens.STACK, {})
    assert "did not tell" in unheard.message
    configure(pack, {"emqx:credentials": '{"blue": {"apiSecret": "hunter2"}}'}, [])
    (plain,) = analyze(pack, tokens.STACK, {})
    assert "emqx:credentials.blue.apiSecret is not encrypted" in plain.message
    assert plain.enforcementLevel == messages.MANDATORY
    secret = {"emqx:credentials": {"blue": {"apiSecret": {"secure": "v1:x"}}}}
    (project / "stacks" / "Pulumi.lone.yaml").write_text(yaml.safe_dump({"config": secret}))
    configure(pack, {"emqx:credentials": '{"blue": {"apiSecret": "hunter2"}}'}, ["emqx:credentials"])
    assert analyze(pack, tokens.STACK, {}) == []


def test_the_stacks_file_of_the_linking_project_is_read(pack: Any, project: Path) -> None:
    mixed = {"config": {"emqx:credentials": {"blue": {"apiKey": {"secure": "v1:x"}, "apiSecret": "hunter2"}}}}
    (project / "stacks" / "Pulumi.lone.yaml").write_text(yaml.safe_dump(mixed))
    configure(pack, {"emqx:credentials": "{}"}, ["emqx:credentials"])
    (plain,) = analyze(pack, tokens.STACK, {})
    assert "emqx:credentials.blue.apiSecret" in plain.message
    assert "hunter2" not in plain.message
