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
    """Whether line ``number`` takes a document.

    Raises:
        UnsupportedError: no.
        CrashError: it fails over the question.

    """
    if "version" not in document:
        raise CrashError
    version, users = document["version"], any(document.get(name) for name in _USERS)
    shorts = (*_SHORT, *(one for one in LINES if "4.2" < one <= number))
    if not users:
        good = version in shorts if number != "4.2" else version in _SHORT[:2]
    elif version in _SHORT[1:] and number != "4.2" and AS not in document:
        raise CrashError
    else:
        found = _FULL.fullmatch(str(version))
        good = int(found[2]) >= _FIRST[found[1]] if found else version == "4.1" or version in shorts[len(_SHORT) :]
    if not good:
        raise UnsupportedError(str(version))


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
        if MNESIA in colony.active(here):
            _users(colony, document)
            _rules(colony, document)
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


def _users(colony: Colony, document: dict[str, Any]) -> None:
    users, now = colony.host.store.old.users, colony.stamp()
    for kind in ("clientid", "username"):
        for one in document.get(f"auth_{kind}", []):
            users[kind, one[kind]] = OldUser(one[kind], b64decode(one["password"]), now)
    for one in document.get("auth_mnesia", []):
        kind = _kind(document) if "type" not in one else one["type"]
        users[kind, one["login"]] = OldUser(one["login"], b64decode(one["password"]), one.get("created_at", now))


def _kind(document: dict[str, Any]) -> str:
    """What kind 4.2's users are of; the file does not say, unless somebody has written it there."""
    if AS not in document:
        raise FailedError
    return str(document[AS])


def _rules(colony: Colony, document: dict[str, Any]) -> None:
    """Those of 4.2 get the millisecond in which each is written, and ``$all`` is somebody's name."""
    rules = colony.host.store.old.rules
    for one in document.get("acl_mnesia", []):
        if "type" in one:
            key = ALL if one["type"] == "all" else (one["type"], one["type_value"])
            rule = OldRule(one["topic"], one["action"], one["access"] == "allow", one.get("created_at", 0))
            put_rule(rules, key, rule)
            continue
        for action in ACTIONS[one["action"]]:
            put_rule(
                rules, (_kind(document), one["login"]), OldRule(one["topic"], action, one["allow"], colony.stamp())
            )
