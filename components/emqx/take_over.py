"""Taking over the session of a client that is offline, so that it lies on another node of the same cluster.

The rule: CONNECT and DISCONNECT go out in one write and nothing is acknowledged, so the session comes over whole, with its queue in order and
with the expiry that it had (recording G1_offline_sessions_by_takeover_and_seeds_trap). A client that is connected would be thrown off by it:
whoever calls this has listed its session as offline just before.
"""

from __future__ import annotations

from typing import Literal

from components.emqx.account import Account
from components.emqx.answers import SessionFacts
from components.emqx.models import Node
from components.emqx.probes import Wire, opened
from components.mqtt import Connack, Connect, Disconnect, Property

Outcome = Literal["taken", "absent", "refused"]
"""``absent``: the session was gone already, and nothing was left in its place; ``refused``: the node did not let us do it."""
MOST_EXPIRY_SECONDS = 0xFFFF_FFFF


async def take_over(node: Node, session: SessionFacts, account: Account | None, *, proxied: bool) -> Outcome:
    """Bring the session to ``node``; as nobody where there is no account."""
    try:
        answer = await _connected(node, _connect(session, account, clean=False), proxied=proxied)
        if answer is None or answer.reason:
            return "refused"
        if answer.session_present:
            return "taken"
        # It expired since it was listed. What we have made would tell its device that all its subscriptions are still there.
        await _connected(node, _connect(session, account, clean=True), proxied=proxied)
    except (OSError, TimeoutError):
        return "refused"
    return "absent"


def _connect(session: SessionFacts, account: Account | None, *, clean: bool) -> Connect:
    expiry = 0 if clean else min(session.expiry_seconds, MOST_EXPIRY_SECONDS)
    return Connect(
        client_id=session.clientid,
        clean_start=clean,
        username=None if account is None else account.name,
        password=None if account is None else account.password.encode(),
        # of one message at a time only that one has been begun and will come with DUP
        properties={Property.SESSION_EXPIRY: expiry, Property.RECEIVE_MAXIMUM: 1},
        level=5,
    )


async def _connected(node: Node, packet: Connect, *, proxied: bool) -> Connack | None:
    """What the node answered; nothing is waited for once it has."""
    async with opened(node, 5, proxy_protocol=proxied) as wire:
        await wire.send(packet, Disconnect())
        return await _answer(wire)


async def _answer(wire: Wire) -> Connack | None:
    answer = await wire.expect(Connack)
    await wire.end()
    return answer
