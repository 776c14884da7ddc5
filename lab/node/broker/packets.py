"""What the broker makes of a packet: counted, then given to whoever answers its kind."""

from __future__ import annotations

from components.mqtt import Connect, Packet, Reason
from lab.node.broker.channel import Channel
from lab.node.broker.connecting import on_auth, on_connect
from lab.node.broker.inbound import HANDLERS
from lab.node.broker.metrics import RECEIVED


def handle(channel: Channel, packet: Packet) -> None:
    """Answer one packet of a connection."""
    metrics, session, kind = channel.node.metrics, channel.session, type(packet)
    metrics["packets.received"] += 1
    if kind in RECEIVED:
        metrics[RECEIVED[kind]] += 1
    if isinstance(packet, Connect):
        on_connect(channel, packet)
    elif session is None:
        on_auth(channel, packet)
    elif kind in HANDLERS:
        session.recv_pkt += 1
        HANDLERS[kind](channel, session, packet)
    else:
        channel.fail(Reason.PROTOCOL_ERROR)
