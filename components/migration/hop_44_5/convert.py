"""The conversion from 4.4 to 5.x, step by step; each step is a module, and every item of the source passes the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from components.migration.hop_44_5.acl import convert_acl
from components.migration.hop_44_5.assumed import lacks
from components.migration.hop_44_5.authn import built_in, convert_authn
from components.migration.hop_44_5.authz import convert_authz, mute_tokens
from components.migration.hop_44_5.extras import convert_schemas, convert_telemetry, convert_topic_metrics
from components.migration.hop_44_5.features import convert_features
from components.migration.hop_44_5.fileusers import file_users
from components.migration.hop_44_5.gateways import convert_gateways
from components.migration.hop_44_5.listeners import convert_listeners, stop_listeners
from components.migration.hop_44_5.loaded import account_loaded
from components.migration.hop_44_5.mqtt import convert_mqtt
from components.migration.hop_44_5.people import (
    KEY_FILE,
    by_archive,
    convert_apps,
    convert_banned,
    convert_dashboard_users,
    key_file,
)
from components.migration.hop_44_5.plugins import MODULES, Plugin, is_known, read_plugins
from components.migration.hop_44_5.rest import account_files, account_sections, account_settings
from components.migration.hop_44_5.result import Conversion, archive_stem, hocon, write_archive
from components.migration.hop_44_5.rules import convert_rules
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.source import Options, Source, check_export, minor, patch
from components.migration.hop_44_5.table import IDENTITIES, KEYS, USERS, Key, Table, Term, backup, header, key_row
from components.migration.hop_44_5.users import HASHES, Users, convert_users, shut_out
from components.migration.hop_44_5.values import etc, filled
from components.migration.manifest import BadSource, Ledger
from components.migration.permissions.after import dialects
from components.migration.requests import Request

Json = dict[str, Any]


def convert(source: Source, from_version: str, to_version: str, options: Options | None = None) -> Conversion:
    """Convert what is known of a 4.4 cluster to what a cluster of ``to_version`` takes.

    Raises:
        BadSource: the source is refused: file, place and remedy are in it.

    """
    options = options or Options()
    _check(source, from_version, to_version, options)
    target, ledger = minor(to_version), Ledger()
    settings = Settings(source, ledger)
    ledger.expect(MODULES, len((source.export or {}).get(MODULES, [])))
    account_loaded(source, settings, ledger)
    config, users, requests = _access(source, options, settings, ledger, to_version)
    features, identities = convert_features(source, settings, ledger)
    rest = _merged(convert_mqtt(settings, target), _with_delay(features, config.pop("delayed", {})))
    door = built_in(users) if any(one["enable"] for one in config["authentication"]) else None
    config |= (
        convert_rules(source, settings, options, ledger, target) | rest | convert_gateways(source, ledger, target, door)
    )
    config |= convert_telemetry(source, settings, options, target)
    keys = convert_apps(source, options, ledger, target)
    requests += _others(source, options, settings, ledger, target)
    listeners = convert_listeners(settings, target)
    stop_listeners(source, ledger, listeners)
    account_settings(source, settings)
    account_sections(source, ledger)
    account_files(source, settings, ledger)

    stem = archive_stem(options.now)
    tables = {USERS: users.table_rows(), IDENTITIES: identities}
    archive = write_archive(stem, _parts(config, tables, options, to_version), options.now)
    nodes, imported = filled({"listeners": listeners}), by_archive(options, target)
    texts = _texts(dict(nodes), "" if imported else key_file(keys, target), patch(to_version))
    return Conversion(
        from_version,
        to_version,
        config,
        f"{stem}.tar.gz",
        archive,
        tuple(requests),
        texts,
        ledger.account(lacks(source, settings)),
        nodes,
        _of_keys(keys, options, to_version) if imported and keys else None,
    )


def _others(
    source: Source, options: Options, settings: Settings, ledger: Ledger, target: tuple[int, int]
) -> Iterator[Request]:
    """People who have no place in the archive, bans, schemas and topics that are counted."""
    convert_dashboard_users(source, ledger)
    yield from convert_banned(source, options, settings, ledger)
    yield from convert_schemas(source, options, ledger, target)
    yield from convert_topic_metrics(source, ledger)


def _access(
    source: Source, options: Options, settings: Settings, ledger: Ledger, to_version: str
) -> tuple[Json, Users, list[Request]]:
    """Users and both chains: their roots, the users for the archive, and what is sent after the import, in its order."""
    plugins, speaks = read_plugins(source, settings), dialects(patch(to_version))
    options = _with_credential(source, options, settings, plugins)
    users = convert_users(source, options, hash_name(plugins), ledger)
    acl = convert_acl(source, ledger, loose=any(dialect.loose for dialect in speaks))
    chain = convert_authn(source, options, settings, ledger, plugins, users, minor(to_version))
    is_off = is_known(source) and not any(plugin.name == "mnesia" and plugin.enabled for plugin in plugins)
    if is_off and any(one.get("backend") == "built_in_database" and one["enable"] for one in chain.authenticators):
        users = shut_out(source, users, ledger)
    more_users = list(file_users(settings, users, is_off=is_off))
    authorization = convert_authz(
        source, settings, ledger, plugins, chain, acl, speaks=speaks, target=minor(to_version)
    )
    authenticators = chain.authenticators
    if authorization.mutes_tokens:
        authenticators = [mute_tokens(one) for one in authenticators]
    config: Json = {"authentication": authenticators, "authorization": authorization.config()}
    if authorization.forbids_delay:
        config["delayed"] = {"enable": False}
    ordered = (chain.requests(), authorization.requests(), acl.requests(), users.requests(), more_users)
    return config, users, [request for requests in ordered for request in requests]


def _check(source: Source, from_version: str, to_version: str, options: Options) -> None:
    if minor(from_version) != (4, 4):
        raise BadSource(
            "--from", from_version[:20], "this conversion starts from 4.4", "upgrade to the newest 4.4 first"
        )
    if minor(to_version) < (5, 1):
        raise BadSource(
            "--to", to_version[:20], "this conversion leads to 5.1 and newer", "choose a supported 5.x or 6.x"
        )
    if options.credential not in ("", "username", "clientid"):
        raise BadSource(
            "--credential", options.credential[:20], "no type of built-in users", "say username or clientid"
        )
    if options.edition not in ("ee", "ce"):
        raise BadSource("--edition", options.edition[:20], "no edition", "say ee or ce")
    if source.export is None and not source.settings and not source.files:
        raise BadSource("SOURCE", "", "there is nothing to convert", "give an export, configuration files, or both")
    if source.export is not None:
        check_export(source.export_name, source.export, from_version)


def hash_name(plugins: Iterable[Plugin]) -> str:
    """The hash that 4.4 is configured with; empty where that is not known.

    Raises:
        BadSource: it is none that 5.x knows for built-in users.

    """
    name = next((str(plugin.config.get("password_hash") or "") for plugin in plugins if plugin.name == "mnesia"), "")
    if name and name not in HASHES:
        remedy = f"4.4 knows {', '.join(HASHES)}: mend auth.mnesia.password_hash"
        raise BadSource("emqx_auth_mnesia", "password_hash", "an unknown hash of the built-in users", remedy)
    return name


def _with_credential(source: Source, options: Options, settings: Settings, plugins: Iterable[Plugin]) -> Options:
    """The type of built-in users that the files alone have, where the export has none.

    Raises:
        BadSource: they have both types, and nobody has chosen.

    """
    found = list(settings.matching(r"auth\.(user|client)\.\d+\.(username|clientid)"))
    is_used = any(plugin.name == "mnesia" and plugin.enabled is not False for plugin in plugins)
    if options.credential or (source.export or {}).get("auth_mnesia") or not found or not is_used:
        return options
    kinds = {"username" if match[1] == "user" else "clientid" for _, match in found}
    if len(kinds) > 1:
        seen = "users by user name and by client id; 5.x holds one type"
        remedy = "choose with --credential username or --credential clientid; the others are dropped and listed"
        raise BadSource(*settings.place(found[-1][0].key), seen, remedy)
    return replace(options, credential=kinds.pop())


def _with_delay(features: Json, wanted: Json) -> Json:
    """Delayed publish is off where a rule of 4.4 denied it; the rule says so in the account."""
    return features | (
        {"delayed": {**features.get("delayed", {"max_delayed_messages": 0}), **wanted}} if wanted else {}
    )


def _merged(left: Json, right: Json) -> Json:
    """Roots of both; where both have one, its keys."""
    both = left.keys() & right.keys()
    return {**left, **right, **{root: {**left[root], **right[root]} for root in both if isinstance(left[root], dict)}}


def _parts(config: Json, tables: Mapping[Table, Iterable[Term]], options: Options, to_version: str) -> dict[str, bytes]:
    meta = f'edition = {options.edition}\nversion = "{_plain(to_version)}"\n'.encode()
    parts = {"META.hocon": meta, "cluster.hocon": hocon(config)}
    for table, rows in tables.items():
        if first := list(islice(iter(given := iter(rows)), 1)):
            whole = backup(header(table, options.now), chain(first, given))
            parts[f"mnesia/{table.name}"] = b"".join(whole)
    return parts


def _of_keys(keys: Iterable[Key], options: Options, to_version: str) -> tuple[str, bytes]:
    """An archive of their own: one with keys in it is refused to whoever comes with a key (docs/emqx/backup.md#api-key-or-token)."""
    stem = archive_stem(options.now + 0.001)
    rows = [key_row(key, options.now) for key in keys]
    return f"{stem}.tar.gz", write_archive(stem, _parts({}, {KEYS: rows}, options, to_version), options.now)


def _plain(version: str) -> str:
    """The version without ``e``, ``v`` and what stands behind its numbers, as META.hocon has it."""
    return ".".join(map(str, patch(version))) if re.search(r"\d", version) else version


BASE_SINCE = (5, 8, 4)  # emqx#14269: no node before it reads etc/base.hocon
FOR_EMQX_CONF = "for-emqx.conf"


def _texts(base: Json, keys: str, version: tuple[int, int, int]) -> dict[str, str]:
    """The files of the nodes; before 5.8.4 the settings are lines that are put behind those of ``emqx.conf``."""
    if keys:
        base["api_key"] = {"bootstrap_file": etc(KEY_FILE)}
    texts = {KEY_FILE: keys} if keys else {}
    if base and version >= BASE_SINCE:
        texts["base.hocon"] = hocon(base).decode()
    elif base:
        texts[FOR_EMQX_CONF] = "".join(f"{root} = {hocon(content).decode()}" for root, content in base.items())
    return texts
