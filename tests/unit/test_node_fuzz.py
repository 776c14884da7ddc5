"""No sequence of packets, however foolish, makes a node fail: it answers, or it closes the connection."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.mqtt import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Subscription,
    Unsubscribe,
    Will,
)
from lab.node.broker.cluster import Cluster
from lab.node.broker.metrics import METRICS
from lab.node.kept.store import Store
from tests.unit.node_wire import Wire

pytestmark = pytest.mark.unit

ids = st.integers(1, 4)
topics = st.sampled_from(
    [
        "a",
        "a/b",
        "",
        "#",
        "a/+",
        "$share/g/a",
        "$share/g",
        "$queue/a",
        "$delayed/1/a",
        "$delayed/x/a",
        "$SYS/x",
        "old/1",
    ]
)
codes = st.sampled_from([0, 0x04, 0x10, 0x80, 0x92, 0xEE])
publish_properties: st.SearchStrategy[dict[int, Any]] = st.fixed_dictionaries(
    {},
    optional={
        Property.TOPIC_ALIAS: st.integers(1, 3),
        Property.MESSAGE_EXPIRY: st.integers(0, 5),
        Property.SUBSCRIPTION_ID: st.just((1,)),
    },
)
publishes = st.one_of(
    st.builds(Publish, topics, st.binary(max_size=5), st.just(0), st.booleans(), properties=publish_properties),
    st.builds(
        Publish, topics, st.binary(max_size=5), st.integers(1, 2), st.booleans(), st.booleans(), ids, publish_properties
    ),
)
subscriptions = st.builds(Subscription, topics, st.integers(0, 2), st.booleans(), st.booleans(), st.integers(0, 2))
packets = st.one_of(
    publishes,
    publishes,
    st.builds(Subscribe, ids, st.lists(subscriptions, min_size=1, max_size=3).map(tuple)),
    st.builds(Unsubscribe, ids, st.lists(topics, min_size=1, max_size=3).map(tuple)),
    *(st.builds(kind, ids, codes) for kind in (Puback, Pubrec, Pubrel, Pubcomp)),
    st.just(Pingreq()),
    st.just(Pingresp()),
    st.builds(Connack, codes),
    st.builds(Connect, level=st.just(5)),
    st.builds(Auth, codes),
    st.builds(Disconnect, codes, st.sampled_from([{}, {Property.SESSION_EXPIRY: 5}])),
)
connects = st.builds(
    Connect,
    st.sampled_from(["a", "b", ""]),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from([None, "u"]),
    will=st.sampled_from([None, Will("a", b"w", 1, True, {Property.WILL_DELAY: 3}), Will("#", b"", 2)]),
    properties=st.sampled_from(
        [{}, {Property.SESSION_EXPIRY: 5, Property.RECEIVE_MAXIMUM: 1, Property.MAXIMUM_PACKET_SIZE: 30}]
    ),
    level=st.just(5),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(connects, st.lists(packets, max_size=8), st.sampled_from([0.0, 2.0, 10.0])), min_size=1, max_size=6
    )
)
def test_a_node_survives_every_sequence_of_packets(lives: list[tuple[Connect, list[Packet], float]]) -> None:
    now = 1000.0
    store = Store()
    store.put("rewrite", [{"action": "all", "source_topic": "old/#", "re": "^old/(.+)$", "dest_topic": "a/$1"}])
    store.put("auto_subscribe", {"topics": [{"topic": "a/${clientid}", "qos": 1}]})
    cluster = Cluster("blue", store, licence_max_sessions=None, clock=lambda: now, random=Random(0))
    node = cluster.add_node("127.0.0.1")
    node.state = "running"
    wires: list[Wire] = []
    for connect, said, seconds in lives:
        wire = Wire(node, connect)
        wires.append(wire)
        for packet in said:
            if not wire.closed:
                wire.say(packet)
            while sum(one.pump() for one in wires if not one.closed):
                pass
        now += seconds
        cluster.tick()
    assert set(node.metrics) == set(METRICS)
    assert all(count >= 0 for count in node.metrics.values())
    assert node.live_connections == sum(session.connected for session in cluster.sessions.values())
    assert all(len(session.inflight) <= session.inflight_max for session in cluster.sessions.values())
