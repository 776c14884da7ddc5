"""Whatever happens to clients, sessions and nodes, the cluster's tables agree, and nobody with a session loses a QoS 1 message."""

from __future__ import annotations

from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from components.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Property,
    Publish,
    Subscribe,
    Subscription,
)
from lab.node.broker.cluster import Cluster
from lab.node.kept.message import Message
from lab.node.kept.store import Store
from tests.unit.node_wire import Wire

pytestmark = pytest.mark.unit

IDS = st.sampled_from(["a", "b"])
NODES = st.integers(0, 2)
EXPIRY = 100


def finish(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing but its next turn."""
    try:
        while True:
            work.send(None)
    except StopIteration:
        return


class ClusterMachine(RuleBasedStateMachine):
    """Random lives of three clients on three nodes, beside a model of what each must have received."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.cluster = Cluster("blue", Store(), licence_max_sessions=None, clock=lambda: self.now, random=Random(0))
        self.nodes = [self.cluster.add_node(f"127.0.0.{index}") for index in (1, 2, 3)]
        for node in self.nodes:
            node.state = "running"
        self.wires: dict[str, Wire] = {}
        self.expected: dict[str, list[bytes]] = {}
        self.received: dict[str, list[bytes]] = {}
        self.number = 0

    def settle(self) -> None:
        while sum(wire.pump() for wire in self.wires.values()):  # every one is pumped in each round
            pass
        for client_id, wire in tuple(self.wires.items()):
            self.received.setdefault(client_id, []).extend(wire.payloads())
            wire.got = [packet for packet in wire.got if not isinstance(packet, Publish)]
            if wire.closed:
                del self.wires[client_id]
        for client_id in tuple(self.expected):
            if client_id not in self.cluster.sessions:
                del self.expected[client_id]

    @rule(client_id=IDS, where=NODES, level=st.sampled_from([4, 5]), clean=st.booleans(), stays=st.booleans())
    def connect(self, client_id: str, where: int, level: int, clean: bool, stays: bool) -> None:
        node = self.nodes[where]
        there = client_id in self.cluster.sessions and not clean
        properties: dict[int, Any] = {Property.SESSION_EXPIRY: EXPIRY} if level == 5 and stays else {}
        old = self.wires.pop(client_id, None)
        if clean:
            self.expected.pop(client_id, None)
        new = Wire(node, Connect(client_id, clean, 0, level=level, properties=properties))
        if old is not None:
            old.pump()
            assert old.closed
            self.received.setdefault(client_id, []).extend(old.payloads())
        self.wires[client_id] = new
        new.pump()
        connack = next(packet for packet in new.got if isinstance(packet, Connack))
        assert (connack.reason, connack.session_present) == (0, there)
        if client_id not in self.expected:
            new.say(Subscribe(1, (Subscription(f"t/{client_id}", 1),)))
            self.expected[client_id] = []
            self.received[client_id] = []
        self.settle()

    @precondition(lambda self: bool(self.expected))
    @rule()
    def publish(self) -> None:
        for client_id in ("a", "b"):
            self.number += 1
            payload = str(self.number).encode()
            count = self.cluster.publish(Message(f"t/{client_id}", payload, 1), self.nodes[0])
            assert count == (client_id in self.expected)
            if client_id in self.expected:
                self.expected[client_id].append(payload)
        self.settle()

    @precondition(lambda self: bool(self.wires))
    @rule(polite=st.booleans(), data=st.data())
    def leave(self, polite: bool, data: st.DataObject) -> None:
        client_id = data.draw(st.sampled_from(sorted(self.wires)))
        if polite:
            self.wires[client_id].say(Disconnect())
            assert self.wires[client_id].closed
        else:
            self.wires.pop(client_id).channel.connection_lost(None)
        self.settle()

    @precondition(lambda self: bool(self.cluster.sessions))
    @rule(client_id=IDS)
    def kick(self, client_id: str) -> None:
        there = client_id in self.cluster.sessions
        assert self.cluster.kick(client_id) is there
        assert client_id not in self.cluster.sessions
        self.settle()

    @precondition(lambda self: bool(self.wires))
    @rule(where=NODES, count=st.integers(0, 3))
    def evict(self, where: int, count: int) -> None:
        node = self.nodes[where]
        live = node.live_connections
        assert node.evict(count) == min(count, live)
        assert node.live_connections == live - min(count, live)
        self.settle()

    @precondition(lambda self: bool(self.cluster.sessions))
    @rule(where=NODES, to=NODES)
    def move(self, where: int, to: int) -> None:
        self.nodes[where].move_sessions(2, [self.nodes[to]])
        self.settle()

    @precondition(lambda self: bool(self.cluster.sessions))
    @rule(where=NODES, kind=st.sampled_from(["stop", "die"]))
    def lose(self, where: int, kind: str) -> None:
        node = self.nodes[where]
        gone = set(node.sessions)
        finish(getattr(node, kind)())
        assert not gone & set(self.cluster.sessions)
        node.state = "running"
        self.settle()

    @precondition(lambda self: bool(self.cluster.sessions))
    @rule(seconds=st.sampled_from([1.0, EXPIRY + 1.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.cluster.tick()
        self.settle()

    @invariant()
    def every_session_lives_on_one_node_and_the_counts_are_right(self) -> None:
        on_nodes = [(client_id, session) for node in self.nodes for client_id, session in node.sessions.items()]
        assert dict(on_nodes) == self.cluster.sessions
        assert len(on_nodes) == len(self.cluster.sessions)
        for node in self.nodes:
            assert all(session.node is node for session in node.sessions.values())
            assert node.live_connections == sum(session.connected for session in node.sessions.values())

    @invariant()
    def a_session_and_its_channel_know_each_other(self) -> None:
        for client_id, session in self.cluster.sessions.items():
            assert (session.channel is not None) == (client_id in self.wires)
            if session.channel is not None:
                assert session.channel.session is session
                assert session.disconnected_at is None
            else:
                assert session.expiry > 0
                assert session.disconnected_at is not None

    @invariant()
    def only_living_sessions_are_subscribed(self) -> None:
        wanted = {f"t/{client_id}" for client_id, session in self.cluster.sessions.items() if session.subscriptions}
        assert {topic for topic, _ in self.cluster.subscriptions.topics()} == wanted
        assert wanted == {f"t/{client_id}" for client_id in self.expected}

    @invariant()
    def who_is_connected_has_everything_in_order(self) -> None:
        for client_id, payloads in self.expected.items():
            if client_id in self.wires:
                assert self.received[client_id] == payloads


TestCluster = ClusterMachine.TestCase
TestCluster.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
