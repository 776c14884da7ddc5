"""The program under Pulumi's mocks: what it registers, with which inputs, in preview and in update."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pulumi
import pytest

SECRET = "4dabf18193072939515e22adb298388d"


class Registered(NamedTuple):
    """One resource as the engine would see it."""

    type: str
    name: str
    inputs: dict[str, Any]


class Recorder(pulumi.runtime.Mocks):
    """Answers each registration with what the real resource would have as outputs."""

    def __init__(self) -> None:
        self.seen: list[Registered] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        inputs = {key: value for key, value in dict(args.inputs).items() if key != "__provider"}
        self.seen.append(Registered(args.typ, args.name, inputs))
        outputs: dict[str, Any] = {"token": f"token-of-{args.name}", "facts": {}, "direction": "forward"}
        if args.typ.endswith("LocalCluster"):
            nodes = [
                {"name": f"emqx@127.9.{args.name}.1", "api": "http://127.9.0.1:18083", "mqtt": "127.9.0.1:1883"},
            ]
            handle = {"colour": inputs["colour"], "nodes": nodes, "version": inputs["version"], "proxy_protocol": True}
            outputs = {"handle": handle, "network": "127.9.0", "pids": [1]}
        if args.typ.endswith("KubernetesCluster"):
            node = {"name": "emqx@a.b.mqtt", "api": "http://a.b.mqtt:18083", "mqtt": "a.b.mqtt:1883"}
            handle = {"colour": inputs["colour"], "nodes": [node], "version": inputs["version"]}
            outputs = {"handle": {**handle, "pods": inputs["place"]}}
        if args.typ.endswith("AwsCluster"):
            node = {"name": "emqx@10.9.0.1", "api": "http://10.9.0.1:18083", "mqtt": "10.9.0.1:1883"}
            node["ws"] = "10.9.0.1:8083"
            place = {"region": inputs["region"], "group": f"sg-of-{inputs['colour']}"}
            outputs = {
                "handle": {"colour": inputs["colour"], "nodes": [node], "version": inputs["version"], "aws": place}
            }
        if args.typ == "aws:ec2/instance:Instance":
            outputs = {"privateIp": f"10.0.0.{len(self.seen)}"}
        if args.typ.endswith("KubernetesBalancer"):
            place = {"router": "haproxy_pods", "ledger": "config_map", "maps": inputs["name"], "pods": inputs["place"]}
            outputs = {**place, "mqtt": "127.0.0.1:1883", "admin": []}
        if args.typ.startswith("aws:lb/"):
            outputs = {"arn": f"arn-of-{args.name}", "dnsName": "nlb.test"}
        if args.typ.endswith("InstancesBalancer"):
            place = {"router": "haproxy_instances", "ledger": "dynamodb", "maps": inputs["table"]}
            outputs = {**place, "mqtt": "nlb.test:1883", "admin": [], "aws": {"region": inputs["region"]}}
            outputs["tier"] = {"name": inputs["name"], "groups": inputs["groups"]}
        if args.typ.endswith("WeighedBalancer"):
            weighed = {key: inputs[key] for key in ("listeners", "groups") if key in inputs} or None
            place = {"router": inputs["kind"], "ledger": "dynamodb", "maps": inputs["table"], "weighed": weighed}
            place["named"] = None if weighed else {"name": inputs["host"]}
            outputs = {**place, "mqtt": "nlb.test:1883", "admin": [], "aws": {"region": inputs["region"]}}
        if args.typ.endswith("MqttBalancer"):
            outputs = {"router": "haproxy", "mqtt": "127.0.0.1:1883", "admin": ["a.sock"], "maps": "maps"}
        return f"{args.name}-id", {**inputs, **outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(args.token)

    def named(self, name: str) -> Registered:
        return next(one for one in self.seen if one.name == name)


@pytest.fixture(params=[True, False], ids=["preview", "update"])
def recorder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """The mocks, in an empty directory, so that nothing which runs on this machine is seen."""
    monkeypatch.chdir(tmp_path)
    recorder = Recorder()
    # Pulumi asks for the current event loop, which is gone once another test has run one to its end.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # The mocks give each worker thread a loop, and close none.
    threads: list[asyncio.AbstractEventLoop] = []

    def loop_of_a_thread() -> asyncio.AbstractEventLoop:
        found: asyncio.AbstractEventLoop = ensure()
        if found not in threads:
            threads.append(found)
        return found

    mocks: Any = pulumi.runtime.mocks
    ensure = mocks._ensure_event_loop
    monkeypatch.setattr(mocks, "_ensure_event_loop", loop_of_a_thread)
    pulumi.runtime.set_mocks(recorder, project="emqx", stack="test", preview=request.param)
    yield recorder
    pulumi.runtime.set_all_config({})
    loop.run_until_complete(loop.shutdown_default_executor())
    asyncio.set_event_loop(None)
    for each in (loop, *threads):
        each.close()


@pytest.fixture
def config() -> Callable[..., dict[str, str]]:
    """The stack's config as Pulumi hands it to the program."""

    def write(live: str, *colours: str, **cutover: Any) -> dict[str, str]:
        versions = {"blue": "5.8.6", "green": "5.8.9"}
        clusters = {
            colour: {"target": "local", "edition": "ce", "version": versions[colour], "nodes": 3} for colour in colours
        }
        values: dict[str, Any] = {"live": live, "clusters": json.dumps(clusters), "cutover": json.dumps(cutover)}
        key = {"apiKey": "key", "apiSecret": "secret"}
        values["credentials"] = json.dumps(dict.fromkeys(colours, key))
        found = {f"emqx:{key}": value for key, value in values.items()}
        pulumi.runtime.set_all_config(found)
        return found

    return write
