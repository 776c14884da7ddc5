"""What EMQX's import does not do by itself: orders, foreign ``$SYS`` messages, delayed messages.

Sources: docs/emqx/backup.md#order-of-sources, docs/emqx/backup.md#not-carried. Each method looks first, so that it may run again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from components.emqx.answers import unix_seconds
from components.emqx.base import Delayed, DelayedMessage, Exports, Portion
from components.emqx.client import attempts
from components.emqx.errors import Rejected
from components.emqx.reading import read
from components.emqx.v5.backup import Archives, portions
from components.emqx.v5.calls import Calls
from components.emqx.v5.requests import Sender
from components.emqx.v5.traits import EditionTraits
from components.migration.inventory import Inventory, Section
from components.migration.requests import Request

_SAME_SECONDS = 3.0
"""Two delayed messages of one topic due this close together are one: EMQX gives the remaining time in whole seconds."""

_OBJECT = TypeAdapter(dict[str, Any])
_LISTS = {"auto_subscribe": "/mqtt/auto_subscribe", "topic_rewrite": "/mqtt/topic_rewrite"}


class DataExports(Archives):
    """Data export and import of one 5.x cluster; ``traits`` asks what its edition can do."""

    def __init__(self, calls: Calls, traits: Callable[[], Awaitable[EditionTraits]]) -> None:
        """Nothing is asked yet."""
        super().__init__(calls)
        self._traits = traits

    async def portions(self, *, accounts: bool) -> tuple[Portion, ...]:
        """The configuration, each table set, and the accounts."""
        return portions((await self._traits()).export_roots, accounts=accounts)

    async def send(self, request: Request, *, patience_seconds: float) -> bool:
        """Carry out a request of a conversion; False when nothing was to be done any more."""
        return await Sender(self.calls).send(request, patience_seconds=patience_seconds)

    async def restore_orders(self, source: Exports, wanted: Inventory, found: Inventory) -> list[str]:
        """Bring the lists whose order decides into blue's order; the names of those that had to be changed.

        The import appends to what a new cluster has: its own ``file`` source stays in front and lets everybody publish
        (docs/emqx/backup.md#order-of-sources).
        """
        changed: list[str] = []
        if _other_order(wanted, found, "authenticators"):
            ids = [{"id": name} for name in _keys(wanted, "authenticators")]
            await self.calls.call("PUT", "/authentication/order", body=ids, repeatable=True)
            changed.append("authenticators")
        if await self._restore_authorization(
            _keys(wanted, "authorization_sources"), _keys(found, "authorization_sources")
        ):
            changed.append("authorization_sources")
        for section, path in _LISTS.items():
            if _keys(wanted, section) != _keys(found, section):
                rows = await source.ordered_rows(section)
                await self.calls.call("PUT", path, body=rows, repeatable=True)
                changed.append(section)
        return changed

    async def ordered_rows(self, section: str) -> list[Any]:
        """The entries of ``auto_subscribe`` or ``topic_rewrite``."""
        rows: list[Any] = (await self.calls.call("GET", _LISTS[section])).json() or []
        return rows

    async def _restore_authorization(self, wanted: Sequence[str], found: Sequence[str]) -> bool:
        if wanted == found or not set(wanted) <= set(found):
            return False  # what is missing is named by the inventory
        if "file" in found and "file" not in wanted:
            # The factory's own source, which blue's owner has removed: it would allow everything.
            await self.calls.call("DELETE", "/authorization/sources/file", accept=frozenset({404}), repeatable=True)
        for name in reversed(wanted):
            path = f"/authorization/sources/{quote(name, safe='')}/move"
            await self.calls.call("POST", path, body={"position": "front"}, repeatable=True)
        return True

    async def remove_foreign_sys(self, source_nodes: Iterable[str]) -> int:
        """Remove the retained ``$SYS`` messages of the source's nodes; how many there were."""
        foreign = tuple(f"$SYS/brokers/{node}/" for node in source_nodes if node not in self.calls.node_names)
        topics: list[str] = []
        async for page in self.calls.pages("/mqtt/retainer/messages", {"topic": "$SYS/#"}):
            topics += [row["topic"] for row in page if str(row.get("topic", "")).startswith(foreign)]
        for topic in topics:
            path = f"/mqtt/retainer/message/{quote(topic, safe='')}"
            await self.calls.call("DELETE", path, accept=frozenset({404}), repeatable=True)
        return len(topics)

    async def carry_delayed(self, source: Exports) -> int:
        """Publish the source's delayed messages here with the time that remains; how many were carried now.

        One that is due here at the same time already is not published again. The retain flag is not listed by
        EMQX and is lost. The copy on the source stays and reaches whoever is still connected there.
        """
        carried = 0

        async def carry_all() -> None:
            nonlocal carried
            there = await self.delayed()
            for one in await source.delayed():
                twin = next((other for other in there if _same(other, one)), None)
                if twin is not None:
                    there.remove(twin)
                elif (message := await source.delayed_message(one)) is not None:
                    await self._publish_delayed(message)
                    carried += 1

        # A publish must not be repeated blindly; looking at what is there again makes the repetition safe.
        async for attempt in attempts(self.calls.patience_seconds):
            with attempt:
                await carry_all()
        return carried

    async def delayed(self) -> list[Delayed]:
        """The delayed messages that wait."""
        return [_delayed(row) async for page in self.calls.pages("/mqtt/delayed/messages") for row in page]

    async def delayed_message(self, one: Delayed) -> DelayedMessage | None:
        """One of them with its content; None when it has been delivered meanwhile."""
        path = f"/mqtt/delayed/messages/{quote(one.node, safe='@')}/{quote(one.id, safe='')}"
        try:
            reply = await self.calls.call("GET", path)
        except Rejected as error:
            if error.status == 404:
                return None
            raise
        message = read(_OBJECT, reply, reply.json())
        remaining = int(message.get("delayed_remaining") or 0)
        if remaining <= 0:
            return None
        payload, qos = str(message.get("payload") or ""), int(message.get("qos") or 0)
        return DelayedMessage(str(message["topic"]), payload, qos, remaining)

    async def _publish_delayed(self, message: DelayedMessage) -> None:
        body = {
            "topic": f"$delayed/{message.remaining}/{message.topic}",
            "payload": message.payload,
            "payload_encoding": "base64",
            "qos": message.qos,
        }
        await self.calls.call("POST", "/publish", body=body)


def _keys(inventory: Inventory, section: str) -> list[str]:
    found = inventory.sections.get(section)
    return list(found.items) if isinstance(found, Section) else []


def _other_order(wanted: Inventory, found: Inventory, section: str) -> bool:
    ours, theirs = _keys(wanted, section), _keys(found, section)
    return ours != theirs and sorted(ours) == sorted(theirs)


def _delayed(row: dict[str, Any]) -> Delayed:
    due = unix_seconds(row.get("expected_at")) or 0.0
    return Delayed(str(row.get("topic")), due, str(row.get("node")), str(row.get("msgid")))


def _same(one: Delayed, other: Delayed) -> bool:
    return one.topic == other.topic and abs(one.due - other.due) <= _SAME_SECONDS
