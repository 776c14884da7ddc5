"""Plugins of the open source edition and modules of Enterprise in one shape: a name, whether it is on, and its configuration.

The rule kept here: a plugin whose configuration file exists is not on for that; ``loaded_plugins`` says so, and where it is
not given, nobody knows (`enabled` is None).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from components.migration import strict
from components.migration.configs.terms import Loaded, parse_loaded
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.source import Source
from components.migration.hop_44_5.values import mappings
from components.migration.sources.base import loads

MODULES = "modules"
GIVE_LOADED = "give data/loaded_plugins of a node too"
AUTH = {
    "mnesia": "mnesia_authentication",
    "redis": "redis_authentication",
    "mysql": "mysql_authentication",
    "pgsql": "pgsql_authentication",
    "mongo": "mongo_authentication",
    "http": "http_authentication",
    "jwt": "jwt_authentication",
    "ldap": "ldap_authentication",
}
# settings of the plugins' files, as the modules of Enterprise name them
RENAMED = {
    "pool": "pool_size",
    "auth_req.url": "auth_req",
    "auth_req.method": "method",
    "auth_req.params": "auth_req_params",
    "auth_req.headers.content_type": "req_content_type",
    "auth_req.headers.content-type": "req_content_type",
    "acl_req.url": "acl_req",
    "acl_req.method": "acl_method",
    "acl_req.params": "acl_req_params",
    "acl_req.headers.content_type": "acl_content_type",
    "acl_req.headers.content-type": "acl_content_type",
    "super_req.url": "super_req",
    "timeout": "http_opts_timeout",
    "connect_timeout": "http_opts_connect_timeout",
    "jwks": "jwks_addr",
    "auth_query.collection": "auth_query_collection",
    "auth_query.password_hash": "auth_query_password_hash",
    "auth_query.password_field": "auth_query_password_field",
    "auth_query.selector": "auth_query_selector",
    "acl_query.collection": "acl_query_collection",
    "super_query.collection": "super_query_collection",
}


@dataclass
class Plugin:
    """One authentication plugin or module.

    Args:
        name: ``mnesia``, ``redis``, ...
        enabled: None where it is not known.
        config: as a module of Enterprise has it.
        keys: the settings it came from, each with its name in ``config``.
        module: its index in ``modules``; None for a plugin.

    """

    name: str
    enabled: bool | None
    config: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    module: int | None = None


def is_known(source: Source) -> bool:
    """Whether it can be known which plugins are on."""
    return "modules" in (source.export or {}) or find_file(source, "loaded_plugins") is not None


def find_file(source: Source, name: str) -> tuple[str, str] | None:
    """A file of this name, or else one that is of this kind by its content: its path and text."""
    given = source.files.items()
    by_name = next(((path, text) for path, text in given if PurePath(path).name == name), None)
    return by_name or next(((path, text) for path, text in given if source.kinds.get(path) == name), None)


def named(source: Source, file: str) -> tuple[Loaded, ...]:
    """What ``loaded_plugins`` or ``loaded_modules`` says, and behind it what the variable of the same name switches on."""
    found = find_file(source, file)
    return (*(loaded_facts(*found) if found else ()), *loads(source.variables, file))


def said(source: Source, file: str, name: str) -> bool | None:
    """Whether it is on by what is said of it; None where nothing is."""
    return next((fact.enabled for fact in reversed(named(source, file)) if fact.name == name), None)


def is_loaded(source: Source, file: str, name: str) -> bool | None:
    """The same; off where the node's file is given and does not name it."""
    by_name = said(source, file, name)
    return False if by_name is None and find_file(source, file) is not None else by_name


def loaded_facts(file: str, text: str) -> tuple[Loaded, ...]:
    """The facts of one of them; Enterprise writes its modules as JSON, with ``name`` and ``enable``.

    Raises:
        BadSource: it is neither.

    """
    if not text.lstrip().startswith("["):
        return parse_loaded(file, text)
    rows = mappings(strict.parse(file, text, "copy the file from the node again"))
    names = {"internal_acl": "acl_internal"}
    return tuple(
        Loaded(file, 1, f"emqx_mod_{names.get(name, name)}", row.get("enable") is True)
        for row in rows
        if (name := str(row.get("name") or ""))
    )


def read_plugins(source: Source, settings: Settings) -> list[Plugin]:
    """All that check passwords or permissions, in the order that they were loaded in."""
    export = source.export or {}
    rows = sorted(enumerate(export.get(MODULES, [])), key=lambda one: _started(one[1]))
    plugins = [
        Plugin(name, row.get("enabled") is True, dict(row.get("config") or {}), module=at)
        for at, row in rows
        for name, kind in AUTH.items()
        if row.get("type") == kind
    ]
    for name in AUTH:
        if any(plugin.name == name for plugin in plugins):
            continue
        config, keys = _from_files(settings, name)
        is_on = is_loaded(source, "loaded_plugins", f"emqx_auth_{name}")
        if keys or is_on:
            plugins.append(Plugin(name, is_on if MODULES not in export or keys else False, config, keys))
    order = [fact.name.removeprefix("emqx_auth_") for fact in named(source, "loaded_plugins")]
    return sorted(plugins, key=lambda plugin: order.index(plugin.name) if plugin.name in order else len(order))


def _started(row: Mapping[str, Any]) -> int:
    """When a module was last started, which is the order that 4.4 asks them in where none is set; a table of modules has none."""
    time = row.get("created_at")
    time = time.get("updated_at_ns") if isinstance(time, Mapping) else None
    return time if isinstance(time, int) else 0


def _from_files(settings: Settings, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    config: dict[str, Any] = {}
    keys = {}
    for found, match in settings.matching(rf"auth\.{name}\.(.+)"):
        keys[found.key] = _put(
            config, USERS[name] if match[1] == "username" and name in USERS else match[1], found.value
        )
    return config, keys


USERS = {"mysql": "user", "pgsql": "user", "mongo": "login"}
GROUPS = {"verify_claims.": "claims", "auth_req.headers.": "http_headers", "acl_req.headers.": "acl_headers"}


def _put(config: dict[str, Any], key: str, value: str) -> str:
    """Put one setting in; its name there."""
    group = next((prefix for prefix in GROUPS if key.startswith(prefix)), "")
    if key in RENAMED:
        config[RENAMED[key]] = value
    elif re.fullmatch(r"acl_query\.selector(\.\d+)?", key):
        config.setdefault("acl_query_selectors", []).append(value)
        return "acl_query_selectors"
    elif group:
        config.setdefault(GROUPS[group], {})[key.removeprefix(group)] = value
        return GROUPS[group]
    else:
        config[key.removeprefix("ssl.")] = value
    return RENAMED.get(key, key.removeprefix("ssl."))


def module(source: Source, kind: str) -> tuple[int, Mapping[str, Any], bool] | None:
    """A module of Enterprise: its index, its configuration, and whether it is on."""
    for at, row in enumerate((source.export or {}).get(MODULES, [])):
        if row.get("type") == kind:
            return at, row.get("config") or {}, row.get("enabled") is True
    return None
