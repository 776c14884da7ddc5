"""A connection is ended at HAProxy by the device's address, wherever it is: on which replica, in a process of before a reload; never another one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.cutover.words import Colour
from components.emqx.errors import Refused
from components.emqx.models import BalancerHandle
from components.ledger.base import SERVERS
from components.routers.base import Server
from components.routers.haproxy import process
from components.routers.haproxy.names import server_name
from components.routers.haproxy.router import HaproxyRouter
from components.routers.haproxy.runtime import ask
from components.routers.share import out_of_service, set_server, settle
from components.system.address import peer
from tests.lab.balancer_bench import CONNACK, PACKETS, Bench, Broker, bench, change, loopback, send_all

pytestmark = pytest.mark.lab


@dataclass
class Device:
    """A connection through the balancer that has its CONNACK."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def address(self) -> str:
        host, port = self.writer.get_extra_info("sockname")[:2]
        return peer(host, port)

    async def end(self) -> bytes:
        """All that comes until the FIN; a reset would be an error."""
        async with asyncio.timeout(60):
            return await self.reader.read()

    async def echoes(self) -> bool:
        self.writer.write(b"ping")
        async with asyncio.timeout(60):
            return await self.reader.readexactly(4) == b"ping"


@contextlib.asynccontextmanager
async def devices(fork: Bench, count: int, *, first: int = 0) -> AsyncIterator[list[Device]]:
    made: list[Device] = []
    try:
        for packet in PACKETS[first : first + count]:
            device = Device(*await asyncio.open_connection(fork.address, 1883))
            made.append(device)
            device.writer.write(packet)
            assert await device.reader.readexactly(4) == CONNACK
        yield made
    finally:
        for device in made:
            device.writer.close()


async def closed(fork: Bench, colour: Colour, *addresses: str) -> frozenset[str]:
    return await fork.router.close(colour, await fork.router.find(colour, addresses))


async def from_address(host: str, port: int, to: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose own end another one to elsewhere may share."""
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    own.bind((host, port))
    own.setblocking(False)
    await asyncio.get_running_loop().sock_connect(own, (to, 1883))
    return await asyncio.open_connection(sock=own)


async def until_it_holds(fork: Bench, count: int) -> None:
    for _ in range(1_200):
        if (held := (await fork.router.connections())["blue"]) == count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(held)


async def test_a_closed_device_sees_a_fin_and_nobody_else_notices(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork, devices(fork, 6) as some:
        gone = {some[1].address, some[4].address}
        assert await closed(fork, "blue", *gone, "203.0.113.9:1") == gone
        assert [await some[index].end() for index in (1, 4)] == [b"", b""]
        assert all([await some[index].echoes() for index in (0, 2, 3, 5)])
        assert await closed(fork, "blue", *gone) == frozenset()


async def test_what_is_on_the_other_colour_is_not_closed(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green")) as fork, devices(fork, 3) as some:
        assert await fork.router.find("green", [one.address for one in some]) == {}
        assert all([await one.echoes() for one in some])


async def test_every_replica_is_asked(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue"), Broker("green"), replicas=3) as fork, devices(fork, 40) as some:
        alone = [await one.find("blue", [device.address for device in some]) for one in fork.router.replicas()]
        assert sum(map(len, alone)) == 40
        assert sum(bool(found) for found in alone) > 1, "the system spreads them over the replicas"
        assert await closed(fork, "blue", *(one.address for one in some)) == {one.address for one in some}
        assert [await one.end() for one in some] == [b""] * 40


async def test_a_connection_of_before_a_reload_is_still_found_and_closed(tmp_path: Path) -> None:
    blue, green = Broker("blue"), Broker("green")
    async with bench(tmp_path, blue) as fork, devices(fork, 2) as first:
        await change(fork, blue, green)
        async with devices(fork, 2, first=2) as second:
            await change(fork, blue, green)
            assert dict(await fork.router.connections())["blue"] == 4
            assert (await fork.router.servers())["blue"][blue.node.name] == Server("ready", 4)
            gone = {first[0].address, second[0].address}
            assert await closed(fork, "blue", *gone) == gone
            assert [await first[0].end(), await second[0].end()] == [b"", b""]
            assert await first[1].echoes()
            assert await second[1].echoes()


async def test_a_reload_between_finding_and_closing_changes_nothing(tmp_path: Path) -> None:
    blue = Broker("blue")
    async with bench(tmp_path, blue) as fork, devices(fork, 2) as some:
        mark = await fork.router.mark()
        found = await fork.router.find("blue", [some[0].address])
        await change(fork, blue)
        assert await fork.router.close("blue", found, mark=mark) == {some[0].address}
        assert await some[0].end() == b""
        assert await some[1].echoes()


async def test_another_connection_in_the_same_place_is_left_alone(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork, devices(fork, 8) as some:
        found = await fork.router.find("blue", [one.address for one in some])
        for one in some:
            one.writer.close()
        await until_it_holds(fork, 0)
        async with devices(fork, 8, first=8) as others:
            again = await fork.router.find("blue", [one.address for one in others])
            assert set(found.values()) & set(again.values()), "HAProxy gives the place to the next one"
            assert await fork.router.close("blue", found) == frozenset()
            assert all([await one.echoes() for one in others])


async def test_a_device_that_came_after_the_listing_is_left_alone_at_the_same_address(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork, devices(fork, 1) as some:
        mark = await fork.router.mark()
        async with devices(fork, 1, first=1) as others:
            older, younger = some[0], others[0]
            found = await fork.router.find("blue", [older.address, younger.address])
            assert await fork.router.close("blue", found, mark=mark) == {older.address}
            assert await younger.echoes()


async def test_without_the_proxy_header_the_balancers_own_address_names_the_device(tmp_path: Path) -> None:
    blue = Broker("blue")
    async with bench(tmp_path, blue) as fork, devices(fork, 3) as some:
        seen = [
            peer(*writer.get_extra_info("peername")[:2])
            for writer in blue.writers
            if writer.get_extra_info("sockname")[1] == 1883
        ]
        assert len(seen) == 3
        found = await fork.router.find("blue", seen[1:2], seen_as="balancer")
        assert await fork.router.close("blue", found, seen_as="balancer") == {seen[1]}
        assert await some[1].end() == b""
        assert await some[0].echoes()
        assert await some[2].echoes()


async def test_an_address_that_two_connections_have_is_nobodys(tmp_path: Path) -> None:
    async with bench(tmp_path / "one", Broker("blue")) as fork, bench(tmp_path / "two", Broker("blue")) as other:
        host = loopback()
        ends = [await from_address(host, 40_001, one.address) for one in (fork, other)]
        for _, writer in ends:
            writer.write(PACKETS[0])
        assert [await reader.readexactly(4) for reader, _ in ends] == [CONNACK] * 2
        admin = tuple(str(place / process.ADMIN) for one in (fork, other) for place in one.directories)
        both = HaproxyRouter(BalancerHandle(mqtt=fork.address, admin=admin, maps=str(tmp_path)))
        assert await fork.router.find("blue", [f"{host}:40001"]) != {}
        assert await both.find("blue", [f"{host}:40001"]) == {}
        for _, writer in ends:
            writer.close()


async def test_more_than_one_line_holds_are_closed_all(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork:
        ends = [await asyncio.open_connection(fork.address, 1883) for _ in range(450)]
        for number, (_, writer) in enumerate(ends):
            writer.write(PACKETS[number % len(PACKETS)])
        assert [await reader.readexactly(4) for reader, _ in ends] == [CONNACK] * 450
        addresses = {Device(*end).address for end in ends}
        assert await closed(fork, "blue", *addresses) == addresses
        for reader, writer in ends:
            assert await reader.read() == b""
            writer.close()


async def test_a_node_out_of_service_gets_nobody_and_keeps_whom_it_has(tmp_path: Path) -> None:
    one, two = Broker("blue"), Broker("blue")
    async with bench(tmp_path, one, two, replicas=2) as fork, devices(fork, 8) as some:
        before = len(two.packets)
        for state in ("drain", "maint"):
            await set_server(fork.router, fork.ledger, "blue", two.node.name, state, holder=None)
            servers = (await fork.router.servers())["blue"]
            assert servers == {one.node.name: Server("ready", 8 - before), two.node.name: Server(state, before)}
            assert await send_all(fork, PACKETS[:10]) == [CONNACK] * 10
            assert len(two.packets) == before
            assert not (await fork.router.health())["blue"][two.node.name]
            assert all([await device.echoes() for device in some])
            one.packets.clear()
        await set_server(fork.router, fork.ledger, "blue", two.node.name, "ready", holder=None)
        await fork.all_up()
        assert await send_all(fork, PACKETS) == [CONNACK] * 100
        assert len(two.packets) > before
        assert SERVERS not in (await fork.ledger.read()).memory


async def test_a_node_out_of_service_stays_so_over_a_reload_and_a_restart_from_the_first_connect_on(
    tmp_path: Path,
) -> None:
    one, two = Broker("blue"), Broker("blue")
    async with bench(tmp_path, one, two) as fork:
        for state in ("maint", "drain"):
            await set_server(fork.router, fork.ledger, "blue", two.node.name, state, holder=None)
            await change(fork, one, two)
            assert (await fork.router.servers())["blue"][two.node.name].state == state
            process.stop(tmp_path)
            out = {
                f"{colour}/{server_name(name)}": kept
                for (colour, name), kept in out_of_service((await fork.ledger.read()).memory).items()
            }
            process.start(tmp_path, out=out)
            assert await send_all(fork, PACKETS[:20]) == [CONNACK] * 20
            assert (await fork.router.servers())["blue"][two.node.name].state == state
            assert two.packets == []
            await settle(fork.router, fork.ledger)
            assert (await fork.router.servers())["blue"][two.node.name].state == state


async def test_a_node_that_is_new_to_a_running_balancer_may_begin_out_of_service(tmp_path: Path) -> None:
    blue, green = Broker("blue"), Broker("green")
    async with bench(tmp_path, blue) as fork:
        await green.serve()
        await change(fork, blue, green, out={f"green/{server_name(green.node.name)}": "maint"})
        await fork.set_share(10_000)
        assert await send_all(fork, PACKETS[:20]) == [b""] * 20, (
            "a colour without room gets no TCP, and nobody a refusal"
        )
        assert green.packets == []


async def test_what_a_person_has_set_by_hand_stays_over_a_settling_and_a_reload(tmp_path: Path) -> None:
    one, two = Broker("blue"), Broker("blue")
    async with bench(tmp_path, one, two) as fork:
        ask(str(tmp_path / process.ADMIN), f"set server blue/{server_name(one.node.name)} state maint", 5.0)
        await settle(fork.router, fork.ledger)
        await change(fork, one, two)
        await set_server(fork.router, fork.ledger, "blue", two.node.name, "drain", holder=None)
        states = {node: server.state for node, server in (await fork.router.servers())["blue"].items()}
        assert states == {one.node.name: "maint", two.node.name: "drain"}


async def test_replicas_with_different_states_are_said_to_have_none_and_are_settled(tmp_path: Path) -> None:
    one, two = Broker("blue"), Broker("blue")
    async with bench(tmp_path, one, two, replicas=2) as fork:
        await set_server(fork.router, fork.ledger, "blue", two.node.name, "maint", holder=None)
        ask(str(fork.directories[1] / process.ADMIN), f"set server blue/{server_name(two.node.name)} state ready", 5.0)
        assert (await fork.router.servers())["blue"][two.node.name].state is None
        await settle(fork.router, fork.ledger)
        assert (await fork.router.servers())["blue"][two.node.name].state == "maint"


async def test_a_node_that_the_balancer_does_not_have_is_refused_and_not_remembered(tmp_path: Path) -> None:
    async with bench(tmp_path, Broker("blue")) as fork:
        with pytest.raises(Refused, match="none of blue"):
            await set_server(fork.router, fork.ledger, "blue", "emqx@elsewhere", "maint", holder=None)
        with pytest.raises(Refused, match="No such server"):
            await fork.router.set_server("blue", "emqx@elsewhere", "maint")
        assert (await fork.ledger.read()).memory == {}
