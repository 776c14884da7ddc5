"""The store as one file of JSON lines: written whole and atomically, read back exactly; passwords are in it as hashes only.

Connectors' secrets stand in the configuration in clear, as in EMQX's own ``cluster.hocon``: the file is readable by its owner only.
"""

from __future__ import annotations

import errno
import json
import shutil
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.mqtt import Property
from components.system.files import replacing
from lab.node.kept.message import Message
from lab.node.kept.old import OldTables
from lab.node.kept.records import AclRule, ApiKey, AuthnUser, Ban, DashboardUser, DelayedMessage, ScramUser
from lab.node.kept.store import Store

_FORMAT = "emqx-lab-store-2"
_FIRST = "emqx-lab-store-1"
"""One object for everything, on one line, as a work directory of before 2026-11-30 has it."""
_BINARY = frozenset({Property.CORRELATION_DATA, Property.AUTH_DATA})
ROWS = 500


def pieces(store: Store) -> Iterator[str]:
    """The lines of the file, of at most ROWS rows each; tables are told as they are at the first of them."""
    head = {
        "format": _FORMAT,
        "config_file": store.config_file,
        "overrides": store.overrides,
        "authn_users": list(store.authn_users),
        "acl_all": [rule.to_json() for rule in store.acl_all],
        "psk": store.psk,
        "reindexing": store.reindexing,
        "old": store.old.head(),
    }
    tables = _tables(store)
    yield f"{json.dumps(head)}\n"
    for name, (rows, told) in tables.items():
        for first in range(0, len(rows), ROWS):
            yield f"{json.dumps({'table': name, 'rows': [told(row) for row in rows[first : first + ROWS]]})}\n"


def _tables(store: Store) -> dict[str, tuple[list[Any], Callable[[Any], Any]]]:
    """Each one's rows as they are now, and how a row is told."""

    def ruled(row: tuple[str, list[AclRule]]) -> Any:
        return row[0], [rule.to_json() for rule in row[1]]

    users = [(key, user) for key, of_one in store.authn_users.items() for user in of_one.values()]
    return {
        "authn_users": (users, lambda row: (row[0], asdict(row[1]))),
        "scram_users": (list(store.scram_users.values()), asdict),
        "acl_users": (list(store.acl_users.items()), ruled),
        "acl_clients": (list(store.acl_clients.items()), ruled),
        "banned": (list(store.banned.values()), asdict),
        "retained": (list(store.retained.values()), message_row),
        "delayed": (list(store.delayed.values()), _delayed_row),
        "api_keys": (list(store.api_keys.values()), asdict),
        "dashboard_users": (list(store.dashboard_users.values()), asdict),
        **store.old.tables(),
    }


def write(lines: Iterable[str], path: Path) -> None:
    """Write what `pieces` tells at one stroke, readable by the owner only; a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, lasting=False) as stream:
        stream.writelines(line.encode() for line in lines)


def write_all(lines: Iterable[str], paths: Sequence[Path]) -> None:
    """The same file in several places, written once: who goes on with one of them later has what it was then."""
    for path in paths[:1]:
        write(lines, path)
    for path in paths[1:]:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        try:
            new.hardlink_to(paths[0])
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(paths[0], new)  # each node has a disk of its own
        new.rename(path)


def read(path: Path) -> Store:
    """The store of a file that `write` wrote, booted anew; a new store when there is no such file.

    Raises:
        ValueError: it is not one of ours.

    """
    if not path.exists():
        return Store()
    rows: defaultdict[str, list[Any]] = defaultdict(list)
    with path.open(encoding="utf-8") as lines:
        head = json.loads(next(lines, "null"))
        if not isinstance(head, dict) or head.get("format") not in {_FORMAT, _FIRST}:
            raise ValueError(f"{path} is no store of the lab")
        for line in lines:
            some = json.loads(line)
            rows[some["table"]] += some["rows"]
    if head["format"] == _FIRST:
        rows |= _rows_of_first(head)
    store = Store(head["config_file"], head["overrides"], psk=head["psk"], reindexing=head["reindexing"])
    if "old" in head:
        store.old = OldTables.of(head["old"], rows)
    store.authn_users = {key: {} for key in head["authn_users"]}
    for key, row in rows["authn_users"]:
        user = AuthnUser(**row)
        store.authn_users[key][user.user_id] = user
    store.scram_users = _by(ScramUser, rows["scram_users"], lambda user: user.user_id)
    store.acl_users = {name: [AclRule.from_json(row) for row in of_one] for name, of_one in rows["acl_users"]}
    store.acl_clients = {name: [AclRule.from_json(row) for row in of_one] for name, of_one in rows["acl_clients"]}
    store.acl_all = [AclRule.from_json(row) for row in head["acl_all"]]
    store.banned = _by(Ban, rows["banned"], lambda ban: (ban.kind, ban.who))
    store.api_keys = _by(ApiKey, rows["api_keys"], lambda key: key.name)
    store.dashboard_users = _by(DashboardUser, rows["dashboard_users"], lambda user: user.username)
    for row in rows["retained"]:
        message = message_of(row)
        store.retained[message.topic] = message
    for row in rows["delayed"]:
        message = message_of(row["message"])
        store.delayed[message.id] = DelayedMessage(message, row["due"], row["interval"], row["node"])
    return store


def _rows_of_first(document: dict[str, Any]) -> dict[str, list[Any]]:
    """The tables of a file in the first format."""
    old = document.get("old", {})
    lists = ("scram_users", "banned", "retained", "delayed", "api_keys", "dashboard_users")
    return {
        "authn_users": [(key, user) for key, users in document["authn_users"].items() for user in users],
        **{name: list(document[name].items()) for name in ("acl_users", "acl_clients")},
        **{name: document[name] for name in lists},
        **{f"old_{name}": old.get(name, []) for name in ("users", "clientids", "usernames", "rules")},
    }


def message_row(message: Message) -> dict[str, Any]:
    """A message as JSON: payload and binary properties in base64."""
    properties = {
        str(int(key)): b64encode(value).decode() if key in _BINARY else value
        for key, value in message.properties.items()
    }
    return {
        "topic": message.topic,
        "payload": b64encode(message.payload).decode(),
        "qos": message.qos,
        "retain": message.retain,
        "sender": message.sender,
        "username": message.username,
        "at": message.at,
        "id": message.id,
        "properties": properties,
    }


def _delayed_row(one: DelayedMessage) -> dict[str, Any]:
    return {"message": message_row(one.message), "due": one.due, "interval": one.interval, "node": one.node}


def message_of(row: dict[str, Any]) -> Message:
    """The message of `message_row`.

    Raises:
        ValueError, KeyError: the row is not one of ours.

    """
    properties = {int(key): _value(int(key), value) for key, value in row["properties"].items()}
    return Message(**{**row, "payload": b64decode(row["payload"]), "properties": properties})


def _value(key: int, value: Any) -> Any:
    if key in _BINARY:
        return b64decode(value)
    if key == Property.USER_PROPERTY:
        return tuple((name, text) for name, text in value)
    return value


def _by(kind: Callable[..., Any], rows: list[dict[str, Any]], key: Callable[[Any], Any]) -> dict[Any, Any]:
    made = (kind(**row) for row in rows)
    return {key(one): one for one in made}
