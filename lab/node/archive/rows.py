"""The tables of a backup: rows of the store as JSON behind a magic line, and back; what one writes the other reads.

Names of tables are Mnesia's (docs/emqx/backup.md#archive).  A table that exists is written even when it is empty.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from components.migration.hop_44_5.table import read_identities, read_keys, read_users
from lab.node.archive.backup import MAGIC
from lab.node.kept.message import Message
from lab.node.kept.records import AclRule, ApiKey, AuthnUser, Ban, DashboardUser, ScramUser
from lab.node.kept.store import PASSWORD_ID, Store

Rows = list[dict[str, Any]]
USERS = "emqx_authn_mnesia"
_EXACT = ("clientid", "username", "peerhost")


class UnreadableError(ValueError):
    """The bytes are no table of ours."""


def dump(store: Store, table: str) -> bytes:
    """The file of a table."""
    rows = _DUMP[table](store)
    return MAGIC + json.dumps(rows, separators=(",", ":")).encode()


def parse(table: str, raw: bytes) -> Rows:
    """The rows of a table's file, ours or one of users, identities or keys as EMQX itself writes it; raises UnreadableError for any other."""
    if not raw.startswith(MAGIC):
        if table not in _OF_EMQX:
            raise UnreadableError
        try:
            return list(_OF_EMQX[table](raw))
        except (ValueError, IndexError, struct.error):
            raise UnreadableError from None
    try:
        rows: Rows = json.loads(raw.removeprefix(MAGIC))
    except ValueError:
        raise UnreadableError from None
    return rows


def _users(raw: bytes) -> Iterator[dict[str, Any]]:
    """A user of 4.x has four bytes for a salt, which are no text."""
    for login, salt, stored in read_users(raw):
        kept = (part.decode(errors="surrogateescape") for part in (stored, salt))
        yield dict(zip(("user_id", "password_hash", "salt"), (login, *kept), strict=True))


def _identities(raw: bytes) -> Iterator[dict[str, Any]]:
    for identity, key in read_identities(raw):
        yield {"identity": identity, "secret": key.hex()}


def _keys(raw: bytes) -> Iterator[dict[str, Any]]:
    """A key's hash is four letters of salt and a sha256 (samples/export-by-token.tar.gz)."""
    for name, key, stored, enable, extra, expires in read_keys(raw):
        said = {atom.name: text.decode() for atom, text in extra.items() if isinstance(text, bytes)}
        yield {
            "name": name,
            "key": key,
            "secret_hash": f"{stored[:_SALT_BYTES].decode()}${stored[_SALT_BYTES:].hex()}",
            "role": said.get("role"),
            "enable": enable,
            "description": said.get("desc", ""),
            "expires": expires,
        }


_SALT_BYTES = 4
_OF_EMQX: dict[str, Callable[[bytes], Iterator[dict[str, Any]]]] = {
    USERS: _users,
    "emqx_psk": _identities,
    "emqx_app": _keys,
}


def restore(store: Store, table: str, rows: Rows) -> None:
    """Lay the rows on the store: the same key is overwritten, others stay."""
    for row in rows:
        _RESTORE[table](store, row)


def known(table: str) -> bool:
    """Whether the cluster has such a table; EMQX passes unknown ones over."""
    return table in _DUMP


def _message(message: Message) -> dict[str, Any]:
    row = {name: getattr(message, name) for name in ("topic", "qos", "retain", "sender", "username", "at", "id")}
    row["payload"] = base64.b64encode(message.payload).decode()
    row["properties"] = [[int(code), _pack(value)] for code, value in message.properties.items()]
    return row


def _pack(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    return [_pack(one) for one in value] if isinstance(value, list | tuple) else value


def _unpack(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["bytes"])
    return tuple(_unpack(one) for one in value) if isinstance(value, list) else value


def _to_message(row: dict[str, Any]) -> Message:
    properties = {int(code): _unpack(value) for code, value in row["properties"]}
    plain = {name: row[name] for name in ("topic", "qos", "retain", "sender", "username", "at", "id")}
    return Message(payload=base64.b64decode(row["payload"]), properties=properties, **plain)


def _acl(store: Store) -> Rows:
    def rules(kind: str, who: str, found: list[AclRule]) -> dict[str, Any]:
        return {"kind": kind, "who": who, "rules": [rule.to_json() for rule in found]}

    return [
        *(rules("user", who, found) for who, found in store.acl_users.items()),
        *(rules("client", who, found) for who, found in store.acl_clients.items()),
        *([rules("all", "", store.acl_all)] if store.acl_all else []),
    ]


def _to_acl(store: Store, row: dict[str, Any]) -> None:
    rules = [AclRule.from_json(rule) for rule in row["rules"]]
    if row["kind"] == "all":
        store.acl_all[:] = rules
    else:
        (store.acl_users if row["kind"] == "user" else store.acl_clients)[row["who"]] = rules


def _to_authn(store: Store, row: dict[str, Any]) -> None:
    user = AuthnUser(**row)
    store.authn_users.setdefault(PASSWORD_ID, {})[user.user_id] = user


def _to_ban(store: Store, row: dict[str, Any]) -> None:
    ban = Ban(**row)
    store.banned[ban.kind, ban.who] = ban


def _to_retained(store: Store, row: dict[str, Any]) -> None:
    message = _to_message(row)
    store.retained[message.topic] = message


def _to_psk(store: Store, row: dict[str, Any]) -> None:
    store.psk[row["identity"]] = row["secret"]


def _to_admin(store: Store, row: dict[str, Any]) -> None:
    user = DashboardUser(**row)
    store.dashboard_users[user.username] = user


def _to_key(store: Store, row: dict[str, Any]) -> None:
    key = ApiKey(**row)
    store.api_keys[key.name] = key


def _to_scram(store: Store, row: dict[str, Any]) -> None:
    user = ScramUser(**row)
    store.scram_users[user.user_id] = user


_DUMP: dict[str, Callable[[Store], Rows]] = {
    "emqx_admin": lambda store: [asdict(user) for user in store.dashboard_users.values()],
    "emqx_retainer_message": lambda store: [_message(message) for message in store.retained.values()],
    USERS: lambda store: [asdict(user) for user in store.authn_users.get(PASSWORD_ID, {}).values()],
    "emqx_authn_scram_mnesia": lambda store: [asdict(user) for user in store.scram_users.values()],
    "emqx_acl": _acl,
    "emqx_psk": lambda store: [{"identity": name, "secret": secret} for name, secret in store.psk.items()],
    "emqx_banned_rules": lambda store: [asdict(ban) for ban in store.banned.values() if ban.kind not in _EXACT],
    "emqx_banned": lambda store: [asdict(ban) for ban in store.banned.values() if ban.kind in _EXACT],
    "emqx_app": lambda store: [asdict(key) for key in store.api_keys.values()],
}
"""In the order in which EMQX writes and restores them (samples/LISTING.txt): retained messages come before all users."""

_RESTORE: dict[str, Callable[[Store, dict[str, Any]], None]] = {
    "emqx_admin": _to_admin,
    "emqx_retainer_message": _to_retained,
    USERS: _to_authn,
    "emqx_authn_scram_mnesia": _to_scram,
    "emqx_acl": _to_acl,
    "emqx_psk": _to_psk,
    "emqx_banned_rules": _to_ban,
    "emqx_banned": _to_ban,
    "emqx_app": _to_key,
}

ORDER = tuple(_DUMP)
