"""Retained messages over MQTT, for clusters whose API lists none: read by a subscription, written by publishing them again.

The rule: ``$SYS`` and whatever else begins with ``$`` is left out, since ``#`` does not reach it. QoS and remaining expiry come along: the topics
are read at QoS 0, which no queue of a session can drop, then each message again at QoS 2, in portions that fit into its window.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from components.emqx.account import Account
from components.emqx.errors import NotNow, Refused, Rejected
from components.emqx.models import MqttAccount, Node
from components.emqx.probes import Wire, opened
from components.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
)

FILTERS = ("#", "+/#")
"""The shipped ``acl.conf`` of 4.x denies everybody the first one, written exactly so."""
AT_ONCE = 32
"""The window of a session of 4.x: so many messages are sent before one of them is acknowledged."""
QUIET_SECONDS = (4.0, 1.0)
"""How long no retained message comes until there are no more: while some that were counted are missing (``$SYS`` is counted too), and after."""
_CLOCK_SECONDS = 2
"""What remains of an expiry is told in whole seconds, by two clocks."""
_KEPT = (
    Property.PAYLOAD_FORMAT,
    Property.MESSAGE_EXPIRY,
    Property.CONTENT_TYPE,
    Property.RESPONSE_TOPIC,
    Property.CORRELATION_DATA,
    Property.USER_PROPERTY,
)


class Reader(NamedTuple):
    """Who reads or writes, on which node."""

    node: Node
    proxied: bool
    username: str | None
    password: str | None = None
    client_id: str | None = None

    @staticmethod
    def declared(node: Node, account: MqttAccount, *, proxied: bool) -> Reader:
        """As a client of the stack's owner."""
        return Reader(node, proxied, account.username, account.password, account.client_id)

    @staticmethod
    def temporary(node: Node, account: Account | None, *, proxied: bool) -> Reader:
        """As our own account; as nobody where there is none."""
        if account is None:
            return Reader(node, proxied, None)
        return Reader(node, proxied, account.name, account.password, account.name if account.by_client_id else None)


async def topics(reader: Reader, *, most: int | None) -> list[str]:
    """The topics that have a retained message.

    It ends when no more of them come for a while: nothing marks the last one, and ``most``, which the node counts now and then only, says
    how long that while is.

    Raises:
        Refused: the account may not subscribe to everything. NotNow: the connection ended.

    """
    async with _connected(reader) as wire:
        for pattern in FILTERS:
            await wire.send(Subscribe(packet_id=1, subscriptions=(Subscription(topic_filter=pattern),)))
            answer = await wire.expect(Suback)
            if answer is not None and answer.reasons[0] < 0x80:
                break
        else:
            seen = f"a subscription to {' and '.join(FILTERS)} is refused"
            todo = "give emqx:credentials.COLOUR.retained an account that may subscribe to everything"
            raise Refused("reading retained messages", node=reader.node.name, seen=seen, todo=todo)
        found: dict[str, None] = {}
        while topic := await _retained(reader, wire, QUIET_SECONDS[most is not None and len(found) >= most]):
            found.setdefault(topic)
        return sorted(found)


async def _retained(reader: Reader, wire: Wire, seconds: float) -> str | None:
    """The topic of the next retained message among those that clients publish now; None when none comes in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (message := await wire.expect(Publish)) is not None:
                if message.retain:
                    return message.topic
            raise _ended(reader, wire)
    return None


async def messages(reader: Reader, wanted: Sequence[str]) -> AsyncIterator[list[Publish]]:
    """The retained messages of these topics, in portions, with their own QoS; one that was cleared meanwhile is missing."""
    async with _connected(reader) as wire:
        for portion in _portions(wanted):
            subscriptions = tuple(Subscription(topic_filter=topic, qos=2) for topic in portion)
            await wire.send(Subscribe(packet_id=1, subscriptions=subscriptions))
            if await wire.expect(Suback) is None:
                raise _ended(reader, wire)
            yield await _portion(wire, set(portion))
            await wire.send(Unsubscribe(packet_id=2, topic_filters=tuple(portion)))
            if await wire.expect(Unsuback) is None:
                raise _ended(reader, wire)


async def _portion(wire: Wire, missing: set[str]) -> list[Publish]:
    found: list[Publish] = []
    exact = 0
    while missing and (message := await wire.expect(Publish)) is not None:
        if message.packet_id is not None:
            exact += message.qos == 2
            await wire.send(Puback(message.packet_id) if message.qos == 1 else Pubrec(message.packet_id))
        if message.retain and message.topic in missing:
            missing.discard(message.topic)
            found.append(message)
    for _ in range(exact):  # until then each of them takes a place in the window
        if (released := await wire.expect(Pubrel)) is not None:
            await wire.send(Pubcomp(released.packet_id))
    return found


def unlike(sent: Sequence[Publish], found: Sequence[Publish], *, seconds: float) -> list[str]:
    """Where what lies there now is not what was sent, as sentences by topic, without content: payload, QoS, properties, and what remains of the expiry.

    ``seconds`` passed since the first was read: so much less may remain of ``found``, or so much more where it was published late; one that
    has expired meanwhile is missing rightly.
    """
    by_topic, slack = {message.topic: message for message in found}, seconds + _CLOCK_SECONDS
    wrong: list[str] = []
    for message in sent:
        there, left = by_topic.get(message.topic), message.properties.get(Property.MESSAGE_EXPIRY)
        if there is None:
            if left is None or left > slack:
                wrong.append(f"{message.topic}: it is not there")
            continue
        if there.payload != message.payload:
            wrong.append(f"{message.topic}: payload {_short(there.payload)} instead of {_short(message.payload)}")
        if there.qos != message.qos:
            wrong.append(f"{message.topic}: QoS {there.qos} instead of {message.qos}")
        remains = there.properties.get(Property.MESSAGE_EXPIRY)
        if (left is None) != (remains is None) or abs((left or 0) - (remains or 0)) > slack:
            wrong.append(f"{message.topic}: {_expiry(remains)} instead of {_expiry(left)}")
        if any(there.properties.get(name) != message.properties.get(name) for name in _KEPT[:1] + _KEPT[2:]):
            wrong.append(f"{message.topic}: its properties are others")
    return wrong


def _short(payload: bytes) -> str:
    return f"of {len(payload)} bytes (sha256 {hashlib.sha256(payload).hexdigest()[:12]})"


def _expiry(seconds: object) -> str:
    return "no expiry" if seconds is None else f"{seconds} s until it expires"


async def publish(writer: Reader, portion: Sequence[Publish]) -> None:
    """Publish them retained, as they were, and wait until the node has taken each.

    Raises:
        Rejected: it refuses one of them; names its topic. NotNow: the connection ended.

    """
    async with _connected(writer) as wire:
        for number, message in enumerate(portion, 1):
            kept: dict[int, Any] = {name: message.properties[name] for name in _KEPT if name in message.properties}
            packet_id = number if message.qos else None
            await wire.send(
                Publish(message.topic, message.payload, message.qos, retain=True, packet_id=packet_id, properties=kept)
            )
            reason = await _taken(wire, message.qos, number)
            if reason is None:
                raise _ended(writer, wire)
            if reason >= 0x80:
                seen = f"the message of {message.topic} is answered 0x{reason:02x}"
                todo = "look at the rules of the new colour, then run pulumi up again"
                raise Rejected(
                    "publishing retained messages", node=writer.node.name, seen=seen, todo=todo, status=reason
                )


async def _taken(wire: Wire, qos: int, packet_id: int) -> int | None:
    """The reason code of its acknowledgement; a ping stands behind what has none."""
    if qos == 0:
        await wire.send(Pingreq())
        return None if await wire.expect(Pingresp) is None else 0
    if qos == 1:
        acknowledged = await wire.expect(Puback)
        return None if acknowledged is None else acknowledged.reason
    received = await wire.expect(Pubrec)
    if received is None or received.reason >= 0x80:
        return None if received is None else received.reason
    await wire.send(Pubrel(packet_id))
    return None if await wire.expect(Pubcomp) is None else 0


@asynccontextmanager
async def _connected(reader: Reader) -> AsyncIterator[Wire]:
    trouble: Exception
    try:
        async with opened(reader.node, 5, proxy_protocol=reader.proxied) as wire:
            await wire.send(
                Connect(
                    client_id=reader.client_id or f"upgrade-retained-{secrets.token_hex(8)}",
                    username=reader.username,
                    password=None if reader.password is None else reader.password.encode(),
                    level=5,
                )
            )
            answer = await wire.expect(Connack)
            if answer is None:
                raise _ended(reader, wire)
            if answer.reason:
                seen = f"CONNACK 0x{answer.reason:02x}"
                todo = "correct emqx:credentials.COLOUR.retained, or open the node for clients"
                raise Refused("an MQTT connection for retained messages", node=reader.node.name, seen=seen, todo=todo)
            yield wire
            await wire.send(Disconnect())
    except (OSError, TimeoutError) as error:
        trouble = error
    else:
        return
    raise NotNow(
        "an MQTT connection for retained messages",
        node=reader.node.name,
        seen=type(trouble).__name__,
        todo="look whether the node's MQTT listener can be reached, then run pulumi up again",
    )


def _ended(reader: Reader, wire: Wire) -> NotNow:
    seen = wire.closed_by or "the connection ended"
    return NotNow("retained messages", node=reader.node.name, seen=seen, todo="run pulumi up again")


def _portions(wanted: Sequence[str]) -> Iterator[Sequence[str]]:
    return (wanted[first : first + AT_ONCE] for first in range(0, len(wanted), AT_ONCE))
