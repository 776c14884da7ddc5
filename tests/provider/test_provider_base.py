"""What every dynamic provider of ours keeps, shown over gRPC with a provider of a module of its own."""

from __future__ import annotations

import importlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc  # type: ignore[import-untyped]  # no stubs
import pytest
from pulumi.dynamic.dynamic import serialize_provider

pytestmark = pytest.mark.provider

MODULE = """
import asyncio, gc, os, time
from components.emqx.errors import Refused, Unreachable
from components.resources import engine, progress
from components.resources.provider import TypedProvider
from components.value import Value
from typing import TypeVar

Own = TypeVar("Own")


class Inner(Value):
    delay_seconds: float = 1.0


class Thing(Value):
    name: str
    share: int
    pace: int = 5
    after: str = ""
    inner: Inner = Inner()


class ThingProvider(TypedProvider[Thing]):
    TRIGGERS = frozenset({"share", "after"})
    REPLACES = frozenset({"name"})

    def identity(self, inputs):
        return inputs.name

    def refuse(self, inputs, olds):
        if inputs.share == 13:
            raise Refused("share 13", seen=f"it was {olds.get('share')}", todo="take 14")

    def stale(self, inputs, olds):
        return olds.get("real") == "moved"

    def look(self, olds):
        if olds["name"] == "dark":
            raise Unreachable("look", node="emqx@a", seen="no answer", todo="wait")
        return {**olds, "looked": True}

    def act(self, inputs, olds):
        if inputs.name == "bad":
            try:
                raise ValueError("noise")
            except ValueError as noise:
                raise Refused("import of x", node="emqx@a", seen="two\\nlines", todo="look") from noise
        if inputs.name == "bug":
            return {"never": 1 // 0}
        if inputs.name == "full":
            open("/proc/nowhere/planted", "w")
        if inputs.name == "heap":
            return {"frozen": gc.get_freeze_count(), "walked": len(gc.get_objects())}
        if inputs.name == "long":
            return engine.run_bounded(self.wait)
        progress.progress(f"doing {inputs.name}")
        key = self.credentials["blue"].api_key if self.credentials else ""
        return {"seen": [inputs.name, inputs.share], "key_length": len(key), "again": olds is not None}

    async def wait(self):
        try:
            progress.progress("waiting")
            await asyncio.sleep(600)
        finally:
            progress.progress("cleaned up")


class Base(TypedProvider[Own]):
    def identity(self, inputs):
        return inputs.name

    def act(self, inputs, olds):
        return {"colour": inputs.colour}


class Special(Thing):
    colour: str


class SpecialProvider(Base[Special]):
    pass
"""
CREDENTIALS = json.dumps({"blue": {"apiKey": "k3y-planted", "apiSecret": "s3cret-planted"}})


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The provider's module, importable here and there."""
    (tmp_path / "things.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "things", raising=False)
    yield importlib.import_module("things")
    __import__("sys").modules.pop("things", None)


@pytest.fixture
def running(start_provider: Callable[..., Any]) -> Any:
    return start_provider({"emqx:credentials": CREDENTIALS})


def test_the_pickled_provider_is_a_reference_and_holds_no_secret(things: ModuleType) -> None:
    provider = things.ThingProvider()
    before = serialize_provider(provider)
    assert len(before) < 120
    assert vars(provider) == {}


def test_check_names_every_mistake_and_forgives_unknowns(things: ModuleType, running: Any) -> None:
    provider = things.ThingProvider()
    assert running.check(provider, {"name": "a", "share": 3, "inner": {"delaySeconds": 2}}) == []
    assert running.check(provider, {"name": running.unknown, "share": running.unknown, "after": running.unknown}) == []
    assert running.check(provider, {"name": running.unknown, "share": 1.5}) == [
        ("share", "Input should be a valid integer, got a number with a fractional part")
    ]
    assert ("share", "Field required") in running.check(provider, {"name": "a", "shrae": 3})
    assert ("shrae", "Extra inputs are not permitted") in running.check(provider, {"name": "a", "shrae": 3})


def test_a_refusal_is_one_check_failure(things: ModuleType, running: Any) -> None:
    failures = running.check(things.ThingProvider(), {"name": "a", "share": 13}, {"name": "a", "share": 7})
    assert failures == [("", "Refused: share 13: it was 7.0. Next: take 14")]


def test_diff_looks_at_triggers_and_replacements_only(things: ModuleType, running: Any) -> None:
    provider, olds = things.ThingProvider(), {"name": "a", "share": 3, "pace": 5, "seen": ["a", 3]}
    assert running.diff(provider, "a", olds, {"name": "a", "share": 3, "pace": 900}) == (False, [])
    assert running.diff(provider, "a", olds, {"name": "a", "share": 3.0, "after": ""}) == (False, [])
    assert running.diff(provider, "a", olds, {"name": "a", "share": 4}) == (True, [])
    assert running.diff(provider, "a", olds, {"name": "a", "share": 3, "after": running.unknown}) == (True, [])
    assert running.diff(provider, "a", olds, {"name": "b", "share": 3}) == (True, ["name"])
    assert running.diff(provider, "a", {**olds, "real": "moved"}, {"name": "a", "share": 3}) == (True, [])


@pytest.mark.parametrize("spelling", ["./a", "a/", "{here}/a", "b/../a"])
def test_another_spelling_of_the_same_place_replaces_nothing(
    things: ModuleType, running: Any, spelling: str, tmp_path: Path
) -> None:
    spelling = spelling.format(here=tmp_path)
    provider, olds = things.ThingProvider(), {"name": "a", "share": 3, "seen": ["a", 3]}
    assert running.diff(provider, "a", olds, {"name": spelling, "share": 3}) == (False, [])


def test_create_and_update_return_all_outputs_and_a_natural_id(things: ModuleType, running: Any) -> None:
    provider = things.ThingProvider()
    id_, outs = running.create(provider, {"name": "a", "share": 3})
    assert id_ == "a"
    assert outs == {"name": "a", "share": 3.0, "seen": ["a", 3.0], "key_length": 11.0, "again": False}
    outs = running.update(provider, "a", outs, {"name": "a", "share": 4})
    assert outs == {"name": "a", "share": 4.0, "seen": ["a", 4.0], "key_length": 11.0, "again": True}
    running.delete(provider, "a", outs)


def test_a_full_collection_does_not_walk_all_of_pulumi(things: ModuleType, running: Any) -> None:
    _, outputs = running.create(things.ThingProvider(), {"name": "heap", "share": 1})
    assert outputs["frozen"] > 2 * outputs["walked"]


def test_trouble_with_this_machines_files_is_one_line_without_a_traceback(things: ModuleType, running: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        running.create(things.ThingProvider(), {"name": "full", "share": 3})
    told = caught.value.details()
    assert told == (
        "Refused: working with files on this machine: No such file or directory: /proc/nowhere/planted."
        " Next: see that this may be done here (emqx:workDirectory must be writable), then run pulumi up again"
    )
    assert not any("Traceback" in line for line in running.output)


def test_a_provider_may_be_generic_in_its_model(things: ModuleType, running: Any) -> None:
    assert running.check(things.SpecialProvider(), {"name": "a", "share": 3}) == [("colour", "Field required")]
    assert running.create(things.SpecialProvider(), {"name": "a", "share": 3, "colour": "blue"})[0] == "a"


def test_credentials_that_cannot_be_right_are_refused_without_showing_them(
    things: ModuleType, start_provider: Callable[..., Any]
) -> None:
    running = start_provider({"emqx:credentials": json.dumps({"blue": {"apiKey": "planted"}})})
    with pytest.raises(grpc.RpcError) as failure:
        running.check(things.ThingProvider(), {"name": "a", "share": 3})
    assert failure.value.details().startswith("BadInput: emqx:credentials: blue.apiSecret: Field required. Next: ")
    assert "planted" not in failure.value.details()


def test_read_keeps_the_state_when_the_world_cannot_be_reached(things: ModuleType, running: Any) -> None:
    provider = things.ThingProvider()
    assert running.read(provider, "a", {"name": "a", "share": 3})[1]["looked"] is True
    assert running.read(provider, "d", {"name": "dark", "share": 3}) == ("d", {"name": "dark", "share": 3.0})
    assert "cannot be looked at: look on emqx@a: no answer" in running.engine.lines[-1]


def test_an_error_is_one_line(things: ModuleType, running: Any) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        running.create(things.ThingProvider(), {"name": "bad", "share": 3})
    assert failure.value.details() == "Refused: import of x on emqx@a: two lines. Next: look"


def test_a_bug_is_one_line_and_its_traceback_is_printed(things: ModuleType, running: Any) -> None:
    with pytest.raises(grpc.RpcError) as failure:
        running.create(things.ThingProvider(), {"name": "bug", "share": 3})
    assert failure.value.details() == "ZeroDivisionError: integer division or modulo by zero"
    wait_for(lambda: any("1 // 0" in line for line in running.output))


def test_progress_is_sent_to_the_engine_as_ephemeral_and_names_its_resource(things: ModuleType, running: Any) -> None:
    running.create(things.ThingProvider(), {"name": "a", "share": 3})
    assert running.engine.lines == ["doing a"]
    assert running.engine.ephemeral == [True]
    assert running.engine.urns == ["urn:pulumi:lab::emqx::pulumi-python:dynamic/emqx:Thing::thing"]


def test_cancel_ends_a_long_action_at_a_safe_point(things: ModuleType, running: Any) -> None:
    ended: list[str] = []

    def create() -> None:
        try:
            running.create(things.ThingProvider(), {"name": "long", "share": 3})
        except grpc.RpcError as failure:
            ended.append(failure.details())

    thread = threading.Thread(target=create)
    thread.start()
    wait_for(lambda: "waiting" in running.engine.lines)
    running.cancel()
    thread.join(60)
    assert ended == [
        "Stopped: this update: the update was cancelled. Next: run `pulumi up` again; it goes on from what it finds"
    ]
    assert running.engine.lines[-1] == "cleaned up"
    assert all(urn.endswith("::thing") for urn in running.engine.urns)


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.02)
