"""Reading the inventory of one cluster over the API; a part that EMQX cannot list is said, never taken for empty.

Sources: docs/emqx/inventory.md for the calls and their costs, recordings B_inventory_50000 and 02 for the shapes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from components.emqx.answers import unix_seconds
from components.emqx.errors import Rejected
from components.emqx.reading import read
from components.emqx.v5.calls import Calls
from components.migration.inventory import Inventory, Section, Unlisted, digest

BOOTSTRAP_KEY = "from_bootstrap_file_"
ACL = "/authorization/sources/built_in_database/rules"
_ROWS = TypeAdapter(list[dict[str, Any]])

_CORE = frozenset(
    "id type name enable mechanism backend user_id_type password_hash_algorithm salt_position algorithm "  # noqa: SIM905 - reads as prose
    "iteration_count rules url server servers host method database query collection cmd filter endpoint connector "
    "parameters topic qos path body sql actions function args payload retain action permission re dest_topic "
    "source_topic nl rap rh no_match deny_action username from verify_claims acl_claim_name base_dn template".split()
)
"""What decides how an item works; a newer version adds defaults to an item, which is no difference."""

_USERS = frozenset({"rules", "actions", "sources"})
"""What a connector, action or source says of those that use it: in no order, and these are sections of their own."""

Found = Section | Unlisted


async def read_inventory(calls: Calls) -> Inventory:
    """Everything that can be listed (docs/emqx/inventory.md#calls); seconds at 50,000 users and retained messages.

    Excluded: ``$SYS`` messages, API keys of bootstrap files, the user ``admin``, bridges (a second view of actions).
    """
    sections: dict[str, Found] = {}
    authenticators = await _rows(calls, "/authentication")
    sections["authenticators"] = _listed(authenticators, lambda row: str(row["id"]), ordered=True)
    if not isinstance(authenticators, Unlisted):
        for row in authenticators:
            if row.get("backend") == "built_in_database":
                path = f"/authentication/{quote(str(row['id']), safe='')}/users"
                sections[f"users:{row['id']}"] = await _paged(calls, path, "user_id", _superuser)
    await _authorization(calls, sections)
    for name in ("connectors", "actions", "sources"):
        sections[name] = _listed(_without(await _rows(calls, f"/{name}"), _USERS), _type_name)
    for name, path, key in (
        ("topic_metrics", "/mqtt/topic_metrics", _named("topic")),
        ("exhooks", "/exhooks", _named("name")),
        ("schema_registry", "/schema_registry", _named("name")),
        ("schema_validations", "/schema_validations", _named("name")),
        ("message_transformations", "/message_transformations", _named("name")),
    ):
        sections[name] = _listed(await _rows(calls, path), key)
    for name, path, key in (
        ("auto_subscribe", "/mqtt/auto_subscribe", _named("topic")),
        ("topic_rewrite", "/mqtt/topic_rewrite", _rewrite),
    ):
        sections[name] = _listed(await _rows(calls, path), key, ordered=True)
    sections["rules"] = await _paged(calls, "/rules", "id", lambda row: digest(_core(row)))
    sections["gateways"] = _gateways(await _rows(calls, "/gateways"))
    sections["banned"] = await _banned(calls)
    sections["retained"] = await _retained(calls)
    sections["delayed"] = await _delayed(calls)
    sections["psk"] = Unlisted("PSK identities have no REST API")
    await _accounts(calls, sections)
    return Inventory(sections)


async def _authorization(calls: Calls, sections: dict[str, Found]) -> None:
    sources = await _rows(calls, "/authorization/sources", inside="sources")
    sections["authorization_sources"] = _listed(sources, _named("type"), ordered=True)
    settings = (await calls.call("GET", "/authorization/settings")).json()
    sections["authorization_settings"] = Section({"settings": digest(_core(settings))})
    sections["acl_users"] = await _paged(calls, f"{ACL}/users", "username", lambda row: digest(_core(row)))
    sections["acl_clients"] = await _paged(calls, f"{ACL}/clients", "clientid", lambda row: digest(_core(row)))
    rules = await _rows(calls, f"{ACL}/all", inside="rules", absent_is_empty=True)
    sections["acl_all"] = _listed(rules, _acl_rule, ordered=True)


async def _accounts(calls: Calls, sections: dict[str, Found]) -> None:
    if not calls.has_login:
        told = Unlisted("needs a dashboard login, and none is configured")
        sections["api_keys"] = sections["dashboard_users"] = told
        return
    keys = await _rows(calls, "/api_key", bearer=True)
    users = await _rows(calls, "/users", bearer=True)
    if not isinstance(keys, Unlisted):
        keys = [row for row in keys if not str(row.get("name", "")).startswith(BOOTSTRAP_KEY)]
    if not isinstance(users, Unlisted):
        users = [row for row in users if row.get("username") != "admin"]
    # Roles are null in the open source edition, so they cannot be compared between editions (docs/emqx/api.md#keys-and-roles).
    sections["api_keys"] = _listed(keys, _named("name"))
    sections["dashboard_users"] = _listed(users, _named("username"))


async def _rows(
    calls: Calls, path: str, *, inside: str = "", bearer: bool = False, absent_is_empty: bool = False
) -> list[dict[str, Any]] | Unlisted:
    """A plain list, or the list under the key ``inside``."""
    try:
        reply = await calls.call("GET", path, bearer=bearer)
    except Rejected as error:
        return [] if absent_is_empty and _absent(error) else _unlisted(error)
    body = reply.json()
    if inside:
        body = body.get(inside) if isinstance(body, dict) else None
    elif isinstance(body, dict):
        body = body.get("data")
    return read(_ROWS, reply, body)


async def _paged(calls: Calls, path: str, key: str, value: Callable[[dict[str, Any]], int]) -> Found:
    """All pages of a list; a row becomes its key and digest as it is parsed, so that memory holds no rows."""

    def small(row: dict[str, Any]) -> Any:
        return (str(row[key]), value(row)) if key in row else row

    items: dict[str, int] = {}
    try:
        async for page in calls.pages(path, hook=small):
            items.update(row for row in page if isinstance(row, tuple))
    except Rejected as error:
        # The ACL calls answer a JSON 404 while their source is not configured (docs/emqx/inventory.md#what-a-404-means): then there is nothing.
        return Section() if _absent(error) else _unlisted(error)
    return Section(items)


def _without(rows: list[dict[str, Any]] | Unlisted, keys: frozenset[str]) -> list[dict[str, Any]] | Unlisted:
    if isinstance(rows, Unlisted):
        return rows
    return [{key: value for key, value in row.items() if key not in keys} for row in rows]


def _listed(
    rows: list[dict[str, Any]] | Unlisted, key: Callable[[dict[str, Any]], str], *, ordered: bool = False
) -> Found:
    if isinstance(rows, Unlisted):
        return rows
    items: dict[str, int] = {}
    for row in rows:
        name, copy = key(row), 2
        while name in items:  # imports concatenate lists: a doubled entry is a difference, not the same item
            name, copy = f"{key(row)}#{copy}", copy + 1
        items[name] = digest(_core(row))
    return Section(items, ordered=ordered)


def _absent(error: Rejected) -> bool:
    return error.status == 404 and bool(error.code)


def _unlisted(error: Rejected) -> Unlisted:
    """A 404 page means that this build or edition has no such part; anything else is no answer that we know."""
    if error.status != 404:
        raise error
    return Unlisted("this edition or build has no API for it")


def _not_listed(error: Rejected) -> Found:
    """For parts that can be switched off: how EMQX says that was not recorded, so its own words are the reason."""
    return Section() if _absent(error) else Unlisted(error.seen)


def _core(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _core(value) for key, value in content.items() if key in _CORE}
    return [_core(value) for value in content] if isinstance(content, list) else content


def _superuser(row: dict[str, Any]) -> int:
    return int(bool(row.get("is_superuser")))


def _named(field: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: str(row.get(field, ""))


def _type_name(row: dict[str, Any]) -> str:
    return f"{row.get('type')}:{row.get('name')}"


def _rewrite(row: dict[str, Any]) -> str:
    return f"{row.get('action')} {row.get('source_topic')}"


def _acl_rule(row: dict[str, Any]) -> str:
    return f"{row.get('permission')} {row.get('action')} {row.get('topic')}"


def _gateways(rows: list[dict[str, Any]] | Unlisted) -> Found:
    if isinstance(rows, Unlisted):
        return rows
    return Section({str(row.get("name")): 0 for row in rows if row.get("status") != "unloaded"})


async def _banned(calls: Calls) -> Found:
    items: dict[str, int] = {}
    until: dict[str, float] = {}
    async for page in calls.pages("/banned"):
        for row in page:
            key = f"{row.get('as')}:{row.get('who')}"
            end = unix_seconds(row.get("until"))
            items[key] = 0 if end is None else 1
            if end is not None:
                until[key] = end
    return Section(items, until=until)


async def _retained(calls: Calls) -> Found:
    def small(row: dict[str, Any]) -> Any:
        return (row["topic"], digest([row.get("qos"), row.get("msgid")])) if "topic" in row else row

    items: dict[str, int] = {}
    try:
        async for page in calls.pages("/mqtt/retainer/messages", hook=small):
            items.update(row for row in page if isinstance(row, tuple) and not row[0].startswith("$SYS/"))
    except Rejected as error:
        return _not_listed(error)
    return Section(items)


async def _delayed(calls: Calls) -> Found:
    rows: list[tuple[float, str]] = []
    try:
        async for page in calls.pages("/mqtt/delayed/messages"):
            rows += [(unix_seconds(row.get("expected_at")) or 0.0, str(row.get("topic"))) for row in page]
    except Rejected as error:
        return _not_listed(error)
    items: dict[str, int] = {}
    until: dict[str, float] = {}
    seen: Counter[str] = Counter()
    for end, topic in sorted(rows, reverse=True):  # from the last one, so that a delivered one renames no other
        seen[topic] += 1
        items[f"{topic}#{seen[topic]}"] = 0
        until[f"{topic}#{seen[topic]}"] = end
    return Section(items, until=until)
