"""An import of 4.3 and 4.4, table after table, as far as it comes (V_*_data, V_4.2.14_to_4.3.22_*, docs/emqx/v4-data.md#42-to-43-by-hand).

The rule: what is done stays done; an import that fails at a later table has changed the earlier ones, and one that finds no plugin says nothing.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any, cast

from lab.node.kept.old import Admin, App, OldRule, OldUser
from lab.node.kept.records import Ban, BanKind
from lab.node.v4.asked import CrashError
from lab.node.v4.colony import Colony
from lab.node.v4.engine import WEBHOOK_DEFAULTS
from lab.node.v4.judges import ALL
from lab.node.v4.line import LINES, MNESIA
from lab.node.v4.mnesia import ACTIONS, put_rule

AS = "auth.mnesia.as"
KINDS = ("username", "clientid")
_USERS = ("auth_clientid", "auth_username", "auth_mnesia")
_SHORT = ("4.0", "4.1", "4.2")
_FULL = re.compile(r"4\.([02])\.(\d+)")
_FIRST = {"0": 13, "2": 11}
"""The first patch of 4.0 and of 4.2 whose users are understood."""


class UnsupportedError(Exception):
    """Its version is not taken."""


class FailedError(Exception):
    """``import_failed``: what was imported before stays."""


def check_version(document: dict[str, Any], number: str) -> None:
    """Whether open source of line ``number`` takes a document; Enterprise asks for nothing.

    Raises:
        UnsupportedError: no.
        CrashError: it fails over the question.

    """
    if "version" not in document:
        raise CrashError
    version, users = str(document["version"]), any(document.get(name) for name in _USERS)
    mnesia = document.get("auth_mnesia") or document.get("acl_mnesia")
    if version in _SHORT and mnesia and document.get(AS) not in KINDS and number != "4.2":
        raise CrashError
    shorts = tuple(one for one in LINES if "4.2" < one <= number)
    found = _FULL.fullmatch(version)
    if not users:
        good = version in ((*_SHORT, *shorts) if shorts else _SHORT[:2])
    else:
        good = int(found[2]) >= _FIRST[found[1]] if found else version == "4.1" or version in shorts
    if not good:
        raise UnsupportedError(version)


def carry_out(colony: Colony, here: str, document: dict[str, Any]) -> None:
    """Import a document whose version is taken.

    Raises:
        FailedError: at some table.

    """
    try:
        _resources(colony, document)
        _engine(colony, document)
        _bans(colony, document)
        _accounts(colony, document)
        if document.get(AS) in KINDS:
            colony.kinds[here] = document[AS]
        if MNESIA in colony.active(here):
            _users(colony, document, colony.kinds.get(here))
            _rules(colony, document, colony.kinds.get(here))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FailedError from error


def _resources(colony: Colony, document: dict[str, Any]) -> None:
    """One web_hook resource with times as numbers stops everything; only a short version has it converted."""
    for one in document.get("resources", []):
        config = dict(one["config"])
        if one["type"] == "web_hook":
            if document["version"] in _SHORT:
                config = WEBHOOK_DEFAULTS | {"url": config["url"]}
            if any(not isinstance(config.get(name, "5s"), str) for name in ("connect_timeout", "request_timeout")):
                raise FailedError
        kept = {"id": one["id"], "type": one["type"], "config": config, "description": one.get("description", "")}
        colony.host.store.old.resources[one["id"]] = kept | {"created_at": one.get("created_at") or colony.stamp()}


def _engine(colony: Colony, document: dict[str, Any]) -> None:
    hooks = {one["id"]: one["config"] for one in document.get("resources", []) if one["type"] == "web_hook"}
    converts = document["version"] in _SHORT and bool(hooks)
    for one in document.get("rules", []):
        actions = [dict(action) for action in one["actions"]]
        if converts:
            if any(action["name"] != "data_to_webserver" for action in actions):
                raise FailedError
            actions = [action | {"args": _to_hook(action["args"], hooks)} for action in actions]
        for action in actions:
            if action["name"] == "republish":
                action["args"] = {"target_retain": False} | action["args"]
        kept = {name: one[name] for name in ("id", "rawsql", "description")} | {"actions": actions}
        enabled = one["enabled"] and not converts  # nobody answers in the lab
        colony.host.store.old.engine[one["id"]] = kept | {"enabled": enabled, "created_at": colony.stamp()}


def _to_hook(args: dict[str, Any], hooks: dict[str, Any]) -> dict[str, Any]:
    """What an action of 4.2 took from its resource is its own from 4.3 on."""
    config = hooks[args["$resource"]]
    headers = config.get("headers", {}) | {"content-type": config.get("content_type", "application/json")}
    return {
        "path": args.get("path", ""),
        "method": config.get("method", "POST"),
        "headers": headers,
        "body": args.get("payload_tmpl", ""),
        "$resource": args["$resource"],
    }


def _bans(colony: Colony, document: dict[str, Any]) -> None:
    for one in document.get("blacklist", []):
        ((kind, who),) = one["who"].items()
        name = "".join(map(chr, who)) if isinstance(who, list) else who
        ban = Ban(cast("BanKind", kind), name, one["by"], one["reason"], float(one["at"]), float(one["until"]))
        colony.host.store.banned[ban.kind, ban.who] = ban


def _accounts(colony: Colony, document: dict[str, Any]) -> None:
    """Applications and dashboard users, with the passwords of the file."""
    tables = colony.host.store.old
    for one in document.get("apps", []):
        expired = None if one["expired"] == "undefined" else one["expired"]
        tables.apps[one["id"]] = App(one["id"], one["secret"], one["name"], one["desc"], one["status"], expired)
    for one in document.get("users", []):
        tables.admins[one["username"]] = Admin(one["username"], b64decode(one["password"]), one["tags"])


def _of_old_shape(rows: list[dict[str, Any]], kind: str | None) -> bool:
    """Whether rows are 4.2's: all of them or none; those need to be told their kind, now or since the node started."""
    old = ["type" not in row for row in rows]
    if any(old) and (kind is None or not all(old)):
        raise FailedError
    return any(old)


def _users(colony: Colony, document: dict[str, Any], kind: str | None) -> None:
    users, now = colony.host.store.old.users, colony.stamp()
    for one_kind in KINDS:
        for one in document.get(f"auth_{one_kind}", []):
            users[one_kind, one[one_kind]] = OldUser(one[one_kind], b64decode(one["password"]), now)
    rows = document.get("auth_mnesia", [])
    old = _of_old_shape(rows, kind)
    for one in rows:
        its, stamp = (str(kind), now) if old else (one["type"], one.get("created_at", now))
        users[its, one["login"]] = OldUser(one["login"], b64decode(one["password"]), stamp)


def _rules(colony: Colony, document: dict[str, Any], kind: str | None) -> None:
    """Each gets the millisecond in which it is written, whatever the file says; of 4.2's, ``$all`` is somebody's name."""
    rules, rows = colony.host.store.old.rules, document.get("acl_mnesia", [])
    old = _of_old_shape(rows, kind)
    for one in rows:
        if old:
            key, allow = (str(kind), one["login"]), one["allow"]
        else:
            key, allow = (one["type"], one["type_value"]) if "type_value" in one else ALL, one["access"] == "allow"
        for action in ACTIONS[one["action"]]:
            put_rule(rules, key, OldRule(one["topic"], action, allow, colony.stamp()))
