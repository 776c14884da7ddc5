"""The ledger of files, and the share that is changed under it: one writer at a time, over processes; never another run's lease."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.emqx.errors import BadInput, GaveUp, LeaseLost, Refused
from components.emqx.models import BalancerHandle, Endpoint
from components.ledger.base import LEASE, Record
from components.ledger.files import LOCK, MEMORY, SHARE, FilesLedger, create, decode, decode_value, encode, encode_value
from components.ledger.registry import LEDGERS, ledger_of
from components.ledger.remembered import remembered
from components.routers.base import Capabilities
from components.routers.haproxy.router import HaproxyRouter
from components.routers.registry import ROUTERS, capabilities_of, router_of
from components.routers.share import set_share, settle
from tests.fake_balancer import FakeLedger, FakeRouter
from tests.unit.fake_world import World

pytestmark = pytest.mark.unit

ODD = {"run": "a b;c\\d#e\n%41", "origin": "blue", "empty": "", "drained at": "blue 1795344713"}
HANDLE = BalancerHandle(mqtt="127.0.0.1:1883", admin=("/a/admin.sock", "/b/admin.sock"), maps="/nowhere")
HOLDER = """
import asyncio, pathlib, sys
from components.ledger.files import FilesLedger
async def hold():
    async with FilesLedger(pathlib.Path(sys.argv[1])).held(None) as writing:
        print("held", flush=True)
        sys.stdin.readline()
        await writing.write({"run": "theirs"}, share=7000)
asyncio.run(hold())
"""


@given(st.text(), st.text(min_size=1))
def test_every_word_survives_the_map(value: str, name: str) -> None:
    stored = f"{encode(name)} {encode_value(value)}"
    key, _, held = stored.partition(" ")
    assert (decode(key), decode_value(held)) == (name, value)
    assert not set(stored.replace(" ", "")) & set(";\\#\n\t")


async def test_what_is_written_is_read_back_and_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    ledger = FilesLedger(tmp_path)
    assert await ledger.read() == Record(None, {})
    async with ledger.held(None) as writing:
        await writing.write(ODD, share=2500)
        await writing.write({"origin": None, "gone": None})
        assert writing.record == await ledger.read()
    assert await ledger.read() == Record(2500, {key: value for key, value in ODD.items() if key != "origin"})


async def test_the_files_of_2026_are_read_and_written_as_they_were(tmp_path: Path) -> None:
    directory = tmp_path / "balancer"
    create(directory)
    assert (directory / SHARE).read_text() == "green 0\n"
    (directory / SHARE).write_text("green 2500\n")
    (directory / MEMORY).write_text("run =ab12\norigin =blue\ndrained_at =blue%201795344713.000\n")
    expected = Record(2500, {"run": "ab12", "origin": "blue", "drained_at": "blue 1795344713.000"})
    assert await FilesLedger(directory).read() == expected
    assert remembered(str(tmp_path))[:2] == expected
    async with FilesLedger(directory).held("ab12") as writing:
        await writing.write({"opened_at": "green 1.000", "origin": None}, share=10_000)
    assert (directory / SHARE).read_text() == "green 10000\n"
    assert (
        directory / MEMORY
    ).read_text() == "run =ab12\ndrained_at =blue%201795344713.000\nopened_at =green%201.000\n"


async def test_only_the_holder_of_the_lease_writes(tmp_path: Path) -> None:
    ledger = FilesLedger(tmp_path)
    async with ledger.held(None) as writing:
        await writing.write({LEASE: "newer", "origin": "blue"}, share=100)
    with pytest.raises(LeaseLost, match="run newer holds it, this is run older"):
        async with ledger.held("older"):
            pytest.fail("older may not write")
    async with ledger.held("newer") as writing:
        await writing.write({"origin": None})
    assert await ledger.read() == Record(100, {LEASE: "newer"})


async def test_a_lease_that_is_taken_while_somebody_waits_is_seen_by_him(tmp_path: Path) -> None:
    ledger = FilesLedger(tmp_path)
    async with ledger.held(None) as writing:
        await writing.write({LEASE: "older"}, share=100)

    async def late() -> None:
        async with ledger.held("older") as mine:
            await mine.write(share=5000)

    async with ledger.held(None) as newer:
        waiting = asyncio.create_task(late())
        await asyncio.sleep(0)
        await newer.write({LEASE: "newer"})
    with pytest.raises(LeaseLost, match="newer"):
        await waiting
    assert (await ledger.read()).share == 100


async def test_a_share_that_cannot_be_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    ledger = FilesLedger(tmp_path)
    async with ledger.held(None) as writing:
        for parts in (-1, 10_001):
            with pytest.raises(BadInput, match=str(parts)):
                await writing.write({"origin": "blue"}, share=parts)
    assert await ledger.read() == Record(None, {})


async def test_another_process_keeps_it_for_itself_and_a_killed_one_does_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    ledger = FilesLedger(tmp_path, patience_seconds=0.1)
    holder = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    try:
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"
        with pytest.raises(GaveUp, match=r"held by another process for 0.1 s.*find the other update"):
            async with ledger.held(None):
                pytest.fail("there are two of them")
    finally:
        holder.kill()
        await holder.communicate()
    async with ledger.held(None) as writing:
        assert writing.record == Record(None, {})
    assert (tmp_path / LOCK).exists()


async def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nowhere"):
        async with FilesLedger(tmp_path / "nowhere").held(None):
            pytest.fail("held nothing")
    (tmp_path / SHARE).mkdir()
    with pytest.raises(Refused, match=SHARE):
        await FilesLedger(tmp_path).read()


async def test_a_share_that_was_set_meanwhile_is_kept() -> None:
    """``settle`` that reads before it may write puts an older share back (5000 became 1000)."""
    world = World([])
    world.was_at(1000)
    async with world.ledger.held(None) as other:
        settling = asyncio.create_task(settle(world.router, world.ledger))
        await asyncio.sleep(0)
        await other.write(share=5000)
        await world.router.set_share(5000)
    await settling
    assert (world.ledger.share, world.router.in_force) == (5000, [5000, 5000])


async def test_two_runs_that_set_a_share_at_once_never_leave_half_of_each() -> None:
    ledger = FakeLedger()
    router = FakeRouter(ledger)
    await asyncio.gather(*(set_share(router, ledger, parts, holder=None) for parts in (1000, 2000, 3000)))
    assert router.in_force == [ledger.share, ledger.share]


async def test_a_run_that_was_killed_between_two_replicas_is_finished_by_the_next() -> None:
    world = World([])
    world.ledger.share = 5000
    world.router.in_force = [5000, 1000]
    with pytest.raises(Refused, match="disagree"):
        await world.router.share()
    await settle(world.router, world.ledger)
    assert world.router.in_force == [5000, 5000]


async def test_where_no_share_was_ever_written_nothing_is_settled() -> None:
    world = World([])
    world.ledger.share = None
    world.router.in_force = [77, 77]
    await settle(world.router, world.ledger)
    assert await world.router.share() == 77


class TestRegistries:
    """The word in the handle says who is spoken to; a handle without one is of the time before there was a choice."""

    def test_a_handle_without_the_words_is_haproxy_and_files(self) -> None:
        handle = BalancerHandle.model_validate({"mqtt": "127.0.0.1:1883", "admin": ["/a"], "maps": "/nowhere"})
        assert isinstance(router_of(handle), HaproxyRouter)
        assert isinstance(ledger_of(handle), FilesLedger)

    def test_a_word_that_nobody_knows_is_refused_with_those_that_are_known(self) -> None:
        with pytest.raises(BadInput, match=f"dns.*{', '.join(sorted(ROUTERS))}"):
            router_of(HANDLE.model_copy(update={"router": "dns"}))
        with pytest.raises(BadInput, match=f"paper.*{', '.join(sorted(LEDGERS))}"):
            ledger_of(HANDLE.model_copy(update={"ledger": "paper"}))

    def test_what_a_router_can_do_is_known_before_there_is_one(self) -> None:
        websocket = HANDLE.model_copy(update={"endpoints": (Endpoint(protocol="wss", address="127.0.0.1:8084"),)})
        assert capabilities_of("haproxy") == router_of(websocket).can
        assert capabilities_of("haproxy") == Capabilities(
            "client-id", closes_clients=True, late_clients=frozenset({"no-id", "assigned-id", "websocket"})
        )

    def test_nobody_is_late_for_websocket_where_nothing_listens_for_it(self) -> None:
        assert capabilities_of("haproxy").late_clients - router_of(HANDLE).can.late_clients == {"websocket"}

    def test_each_replica_can_be_asked_alone(self) -> None:
        assert len(router_of(HANDLE).replicas()) == 2
