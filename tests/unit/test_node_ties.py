"""A client counts where it is connected and nowhere else, however its connection ends and whoever hears of it last."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from components.mqtt import Connect, Property
from lab.node.broker.cluster import Cluster
from lab.node.broker.listener import Listener
from lab.node.broker.member import ConnectFault
from lab.node.broker.node import BrokerNode
from lab.node.kept.store import Store
from tests.unit.node_wire import Wire

pytestmark = pytest.mark.unit


KEEP_ALIVE = 60
"""Seconds; a client that is silent for 1.5 times as long is thrown off."""
EXPIRY = 100
IDS, NODES = st.sampled_from(["a", "b"]), st.integers(0, 1)


class World:
    """A cluster without sockets, whose clock the test turns."""

    def __init__(self, nodes: int = 1) -> None:
        self.now = 1000.0
        store = Store(config_file={"listeners": {"tcp": {"default": {"enable": False}}}})
        self.cluster = Cluster("blue", store, licence_max_sessions=None, clock=lambda: self.now, random=Random(0))
        self.nodes: list[BrokerNode] = [self.cluster.add_node(f"127.0.0.{index + 1}") for index in range(nodes)]
        self.node = self.nodes[0]

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.cluster.tick()


async def test_a_client_that_came_back_to_a_node_that_died_is_found_after_its_old_keep_alive() -> None:
    world = World()
    await world.node.start()
    old = Wire(world.node, Connect("a", True, KEEP_ALIVE))
    await world.node.die()
    old.channel.connection_lost(None)
    await world.node.start()
    new = Wire(world.node, Connect("a", True, 0))
    world.later(1.5 * KEEP_ALIVE + 1)
    assert (world.node.live_connections, sorted(world.node.sessions)) == (1, ["a"])
    assert world.node.evict(1) == 1
    assert new.closed
    assert world.node.live_connections == 0
    await world.cluster.stop()


async def test_a_connect_that_was_held_back_when_the_node_died_opens_nothing() -> None:
    world = World()
    await world.node.start()
    world.node.fault = ConnectFault(delay_seconds=0.001)
    held = Wire(world.node, Connect("a", True, KEEP_ALIVE))
    await world.node.die()
    await asyncio.sleep(0.005)
    held.channel.connection_lost(None)
    assert world.cluster.sessions == {}
    await world.cluster.stop()


async def test_a_connection_that_was_accepted_as_its_listener_closed_is_ended_at_once() -> None:
    world = World()
    await world.node.start()
    listener = Listener(world.node, "tcp:late", {})
    await listener.close()
    late = Wire(world.node, Connect("a", True, KEEP_ALIVE), listener)
    assert late.closed
    assert world.cluster.sessions == {}
    await world.cluster.stop()


class TiesMachine(RuleBasedStateMachine):
    """Random lives of two clients on two nodes; the model is what their sockets saw, and who was told of it."""

    def __init__(self) -> None:
        super().__init__()
        self.world, self.runner = World(2), asyncio.Runner()
        self.cluster, self.nodes = self.world.cluster, self.world.nodes
        self.wires: list[Wire] = []
        self.untold: list[Wire] = []
        for node in self.nodes:
            self.runner.run(node.start())

    def teardown(self) -> None:
        self.runner.run(self.cluster.stop())
        self.runner.close()

    def live(self, node: BrokerNode) -> int:
        """Its clients by their sockets."""
        return sum(wire.node is node for wire in self.wires)

    def look(self) -> None:
        """Sort out the sockets that were closed; their channels hear of it later (`tell`), as asyncio does it."""
        self.untold += [wire for wire in self.wires if wire.closed]
        self.wires = [wire for wire in self.wires if not wire.closed]

    @rule(client_id=IDS, where=NODES, stays=st.booleans(), clean=st.booleans(), silent=st.booleans())
    def connect(self, client_id: str, where: int, stays: bool, clean: bool, silent: bool) -> None:
        if (node := self.nodes[where]).state == "running":
            terms: dict[int, Any] = {Property.SESSION_EXPIRY: EXPIRY} if stays else {}
            connect = Connect(client_id, clean, KEEP_ALIVE if silent else 0, level=5, properties=terms)
            self.wires.append(Wire(node, connect))
            self.look()

    @precondition(lambda self: bool(self.wires))
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        wire = data.draw(st.sampled_from(self.wires))
        wire.close()
        self.look()
        self.tell(wire)

    @precondition(lambda self: bool(self.untold))
    @rule(data=st.data())
    def hear(self, data: st.DataObject) -> None:
        self.tell(data.draw(st.sampled_from(self.untold)))

    def tell(self, wire: Wire) -> None:
        self.untold.remove(wire)
        wire.channel.connection_lost(None)

    @rule(client_id=IDS)
    def kick(self, client_id: str) -> None:
        self.cluster.kick(client_id)
        self.look()

    @rule(where=NODES, count=st.integers(0, 2))
    def evict(self, where: int, count: int) -> None:
        wanted = min(count, self.live(self.nodes[where]))
        assert self.nodes[where].evict(count) == wanted
        self.look()

    @rule(where=NODES)
    def relocate(self, where: int) -> None:
        self.nodes[where].move_sessions(2, self.nodes)

    @rule(where=NODES, kind=st.sampled_from(["die", "stop"]), back=st.booleans())
    def lose(self, where: int, kind: str, back: bool) -> None:
        node = self.nodes[where]
        self.runner.run(getattr(node, kind)())
        self.look()
        assert not node.sessions
        assert not self.live(node)
        if back:
            self.runner.run(node.start())

    @rule(where=NODES)
    def start(self, where: int) -> None:
        if self.nodes[where].state == "stopped":
            self.runner.run(self.nodes[where].start())

    @rule(seconds=st.sampled_from([1.0, 1.5 * KEEP_ALIVE + 1, EXPIRY + 1.0]))
    def wait(self, seconds: float) -> None:
        self.world.later(seconds)
        self.look()

    @invariant()
    def who_is_live_is_counted_where_it_is_and_would_be_found(self) -> None:
        for node in self.nodes:
            live = [session for session in node.sessions.values() if session.channel is not None]
            assert node.live_connections == len(live) == self.live(node)
            assert {session.channel for session in live} == {wire.channel for wire in self.wires if wire.node is node}

    @invariant()
    def a_session_and_its_channel_know_each_other_and_nobody_else_does(self) -> None:
        for wire in self.wires:
            session = wire.channel.session
            assert session is not None
            assert session is self.cluster.sessions[session.client_id]
            assert session.channel is wire.channel
        assert all(wire.channel.session is None for wire in self.untold)

    @invariant()
    def a_session_lives_on_one_running_node(self) -> None:
        on_nodes = [(client_id, session) for node in self.nodes for client_id, session in node.sessions.items()]
        assert dict(on_nodes) == dict(self.cluster.sessions)
        assert len(on_nodes) == len(self.cluster.sessions)
        assert all(getattr(session.node, "state", None) == "running" for _, session in on_nodes)


TestTies = TiesMachine.TestCase
TestTies.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
