"""The store as one JSON file: written whole and atomically, read back exactly; passwords are in it as hashes only.

Connectors' secrets stand in the configuration in clear, as in EMQX's own ``cluster.hocon``: the file is readable by its owner only.
"""

from __future__ import annotations

import errno
import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from components.mqtt import Property
from components.system.files import replace
from lab.node.kept.message import Message
from lab.node.kept.old import OldTables
from lab.node.kept.records import AclRule, ApiKey, AuthnUser, Ban, DashboardUser, DelayedMessage, ScramUser
from lab.node.kept.store import Store

_FORMAT = "emqx-lab-store-1"
_BINARY = frozenset({Property.CORRELATION_DATA, Property.AUTH_DATA})


def write(store: Store, path: Path) -> None:
    """Write all tables at one stroke, readable by the owner only; a reader sees the old file or the new one."""
    document = {
        "format": _FORMAT,
        "config_file": store.config_file,
        "overrides": store.overrides,
        "authn_users": {key: [asdict(user) for user in users.values()] for key, users in store.authn_users.items()},
        "scram_users": [asdict(user) for user in store.scram_users.values()],
        "acl_users": {name: [rule.to_json() for rule in rules] for name, rules in store.acl_users.items()},
        "acl_clients": {name: [rule.to_json() for rule in rules] for name, rules in store.acl_clients.items()},
        "acl_all": [rule.to_json() for rule in store.acl_all],
        "banned": [asdict(ban) for ban in store.banned.values()],
        "retained": [message_row(message) for message in store.retained.values()],
        "delayed": [
            {"message": message_row(one.message), "due": one.due, "interval": one.interval, "node": one.node}
            for one in store.delayed.values()
        ],
        "api_keys": [asdict(key) for key in store.api_keys.values()],
        "dashboard_users": [asdict(user) for user in store.dashboard_users.values()],
        "psk": store.psk,
        "reindexing": store.reindexing,
        "old": store.old.to_json(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, json.dumps(document))


def write_all(store: Store, paths: Sequence[Path]) -> None:
    """The same file in several places, written once: who goes on with one of them later has what it was then."""
    for path in paths[:1]:
        write(store, path)
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
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ValueError(f"{path} is no store of the lab")
    store = Store(
        document["config_file"], document["overrides"], psk=document["psk"], reindexing=document["reindexing"]
    )
    if "old" in document:
        store.old = OldTables.from_json(document["old"])
    for key, users in document["authn_users"].items():
        store.authn_users[key] = _by(AuthnUser, users, lambda user: user.user_id)
    store.scram_users = _by(ScramUser, document["scram_users"], lambda user: user.user_id)
    store.acl_users = {name: [AclRule.from_json(row) for row in rows] for name, rows in document["acl_users"].items()}
    store.acl_clients = {
        name: [AclRule.from_json(row) for row in rows] for name, rows in document["acl_clients"].items()
    }
    store.acl_all = [AclRule.from_json(row) for row in document["acl_all"]]
    store.banned = _by(Ban, document["banned"], lambda ban: (ban.kind, ban.who))
    store.api_keys = _by(ApiKey, document["api_keys"], lambda key: key.name)
    store.dashboard_users = _by(DashboardUser, document["dashboard_users"], lambda user: user.username)
    for row in document["retained"]:
        message = message_of(row)
        store.retained[message.topic] = message
    for row in document["delayed"]:
        message = message_of(row["message"])
        store.delayed[message.id] = DelayedMessage(message, row["due"], row["interval"], row["node"])
    return store


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
