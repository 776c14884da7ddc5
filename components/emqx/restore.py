"""What EMQX's import does not do by itself: orders, foreign ``$SYS`` messages, delayed messages.

Sources: docs/emqx/backup.md#order-of-sources, docs/emqx/backup.md#not-carried. Each function looks first, so that it may run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from components.emqx.client import attempts
from components.emqx.errors import Rejected
from components.emqx.inventory import unix_seconds
from components.emqx.reading import read
from components.emqx.v5 import ClusterApi
from components.migration.inventory import Inventory, Section

_SAME_SECONDS = 3.0
"""Two delayed messages of one topic due this close together are one: EMQX gives the remaining time in whole seconds."""

_OBJECT = TypeAdapter(dict[str, Any])


async def restore_orders(source: ClusterApi, target: ClusterApi, wanted: Inventory, found: Inventory) -> list[str]:
    """Bring the lists whose order decides into blue's order; the names of those that had to be changed.

    The import appends to what a new cluster has: its own ``file`` source stays in front and lets everybody publish
    (docs/emqx/backup.md#order-of-sources).
    """
    changed: list[str] = []
    if _other_order(wanted, found, "authenticators"):
        ids = [{"id": name} for name in _keys(wanted, "authenticators")]
        await target.http.call("PUT", "/authentication/order", body=ids, repeatable=True)
        changed.append("authenticators")
    if await _restore_authorization(
        target, _keys(wanted, "authorization_sources"), _keys(found, "authorization_sources")
    ):
        changed.append("authorization_sources")
    for section, path in (("auto_subscribe", "/mqtt/auto_subscribe"), ("topic_rewrite", "/mqtt/topic_rewrite")):
        if _keys(wanted, section) != _keys(found, section):
            rows = (await source.http.call("GET", path)).json()
            await target.http.call("PUT", path, body=rows, repeatable=True)
            changed.append(section)
    return changed


async def _restore_authorization(target: ClusterApi, wanted: Sequence[str], found: Sequence[str]) -> bool:
    if wanted == found or not set(wanted) <= set(found):
        return False  # what is missing is named by the inventory
    if "file" in found and "file" not in wanted:
        # The factory's own source, which blue's owner has removed: it would allow everything.
        await target.http.call("DELETE", "/authorization/sources/file", accept=frozenset({404}), repeatable=True)
    for name in reversed(wanted):
        path = f"/authorization/sources/{quote(name, safe='')}/move"
        await target.http.call("POST", path, body={"position": "front"}, repeatable=True)
    return True


def _keys(inventory: Inventory, section: str) -> list[str]:
    found = inventory.sections.get(section)
    return list(found.items) if isinstance(found, Section) else []


def _other_order(wanted: Inventory, found: Inventory, section: str) -> bool:
    ours, theirs = _keys(wanted, section), _keys(found, section)
    return ours != theirs and sorted(ours) == sorted(theirs)


async def remove_foreign_sys(target: ClusterApi, source_nodes: Iterable[str]) -> int:
    """Remove the retained ``$SYS`` messages of the source's nodes from the target; how many there were."""
    foreign = tuple(f"$SYS/brokers/{node}/" for node in source_nodes if node not in target.node_names)
    topics: list[str] = []
    async for page in target.pages("/mqtt/retainer/messages", {"topic": "$SYS/#"}):
        topics += [row["topic"] for row in page if str(row.get("topic", "")).startswith(foreign)]
    for topic in topics:
        path = f"/mqtt/retainer/message/{quote(topic, safe='')}"
        await target.http.call("DELETE", path, accept=frozenset({404}), repeatable=True)
    return len(topics)


async def carry_delayed(source: ClusterApi, target: ClusterApi) -> int:
    """Publish the source's delayed messages on the target with the time that remains; how many were carried now.

    One that is due on the target at the same time already is not published again. The retain flag is not listed by
    EMQX and is lost. The copy on the source stays and reaches whoever is still connected there.
    """
    carried = 0

    async def carry_all() -> None:
        nonlocal carried
        there = [_due(row) for row in await _delayed(target)]
        for row in await _delayed(source):
            topic, due = _due(row)
            twin = next((one for one in there if one[0] == topic and abs(one[1] - due) <= _SAME_SECONDS), None)
            if twin is not None:
                there.remove(twin)
            elif await _carry_one(source, target, str(row.get("node")), str(row.get("msgid"))):
                carried += 1

    # A publish must not be repeated blindly; looking at what is there again makes the repetition safe.
    async for attempt in attempts(target.http.patience_seconds):
        with attempt:
            await carry_all()
    return carried


def _due(row: dict[str, Any]) -> tuple[str, float]:
    return str(row.get("topic")), unix_seconds(row.get("expected_at")) or 0.0


async def _delayed(api: ClusterApi) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async for page in api.pages("/mqtt/delayed/messages"):
        rows += page
    return rows


async def _carry_one(source: ClusterApi, target: ClusterApi, node: str, msgid: str) -> bool:
    path = f"/mqtt/delayed/messages/{quote(node, safe='@')}/{quote(msgid, safe='')}"
    try:
        reply = await source.http.call("GET", path)
    except Rejected as error:
        if error.status == 404:  # it has been delivered meanwhile
            return False
        raise
    message = read(_OBJECT, reply, reply.json())
    remaining = int(message.get("delayed_remaining") or 0)
    if remaining <= 0:
        return False
    body = {
        "topic": f"$delayed/{remaining}/{message['topic']}",
        "payload": message.get("payload") or "",
        "payload_encoding": "base64",
        "qos": int(message.get("qos") or 0),
    }
    await target.http.call("POST", "/publish", body=body)
    return True
