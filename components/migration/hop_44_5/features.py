"""Retainer, delayed publish, rewrite, automatic subscription, PSK, presence, slow subscriptions.

Each has two origins, a module of Enterprise or a module and settings of the open source edition; the file says which is asked first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from components.migration.hop_44_5.plugins import MODULES, find_file, is_loaded, module, said
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.source import Source
from components.migration.hop_44_5.values import etc, file_text, mappings, number, truth
from components.migration.manifest import Ledger

Json = dict[str, Any]
PSK_FILE = "init.psk"
OFF = "off as it was"
EXHOOK = "POST /exhooks, before devices move"
SASL = ("5.x has SCRAM with sha256 and sha512 only, and takes no stored users of it", "enrol these users anew")
GONE_MODULES = {
    "recon": ("5.x has it built in", "nothing"),
    "lua_hook": ("5.x has no Lua hook; what it denied is not denied", "move it into rules or an ExHook server"),
    "event_message": ("5.x has no such module", "use rules FROM $events/..."),
    "tracing": ("traces are not carried", "start them again"),
    "exhook": ("its servers are set in another way; what they denied is not denied until then", EXHOOK),
    "prometheus": ("5.x has it built in", "set prometheus on green"),
    "sasl": SASL,
    "auth_sasl": SASL,
    "pulsar_consumer": (
        "5.x has no source for Pulsar that this conversion knows",
        "read from Pulsar with a program of yours",
    ),
    "tcp_protocol": ("5.x has no gateway for bare TCP", "use ExProto, or a program of yours"),
}


def convert_features(source: Source, settings: Settings, ledger: Ledger) -> tuple[Json, dict[str, str]]:
    """The roots of the configuration, and the files of the bootstrap part."""
    config: Json = {}
    files: dict[str, str] = {}
    _retainer(source, settings, ledger, config)
    _delayed(source, ledger, config)
    _rewrite(source, settings, ledger, config)
    _subscriptions(source, settings, ledger, config)
    _presence(source, settings, ledger, config)
    _slow(source, settings, ledger, config)
    _psk(source, settings, ledger, config, files)
    _gone(source, ledger)
    return config, files


def _is_on(source: Source, name: str) -> bool:
    """A module of the open source edition: on where ``loaded_modules`` says so."""
    return is_loaded(source, "loaded_modules", f"emqx_mod_{name}") is True


def _may_be_on(source: Source, name: str) -> bool:
    """The same, and on where the file is not given: who writes settings for a module means it."""
    return is_loaded(source, "loaded_modules", f"emqx_mod_{name}") is not False


def _retainer(source: Source, settings: Settings, ledger: Ledger, config: Json) -> None:
    found = module(source, "retainer")
    given: dict[str, Any] = {match[1]: setting.value for setting, match in settings.matching(r"retainer\.(\w+)")}
    enabled = said(source, "loaded_plugins", "emqx_retainer") is not False
    if found:
        given, enabled = {**given, **found[1]}, found[2]
    if not given and found is None:
        return
    storage = str(given.get("storage_type", "ram"))
    backend = {
        "type": "built_in_database",
        "enable": True,
        "storage_type": "disc" if storage.startswith("disc") else "ram",
    }
    backend["max_retained_messages"] = max(number(given.get("max_retained_messages"), 0), 0)
    expiry = str(given.get("expiry_interval", "0"))
    config["retainer"] = {
        "enable": enabled,
        "max_payload_size": str(given.get("max_payload_size", "1MB")),
        "msg_expiry_interval": "0s" if expiry == "0" else f"{expiry}s" if _is_number(expiry) else expiry,
        "stop_publish_clear_msg": truth(given.get("stop_publish_clear_msg")),
        "backend": backend,
    }
    note = "disc_only is disc in 5.x" if storage == "disc_only" else ""
    if found and note:
        ledger.changed(MODULES, found[0], "retainer", note)
    elif found:
        ledger.carried(MODULES, found[0], "retainer", "the settings; the retained messages themselves go over MQTT")
    for setting, match in list(settings.matching(r"retainer\.(\w+)")):
        if match[1] == "storage_type" and note:
            settings.changed(setting.key, note)
        else:
            settings.carried(setting.key, "retainer")


def _is_number(text: str) -> bool:
    """Digits of ours; others are numbers too, but none that 5.x would read."""
    return text.isascii() and text.isdecimal()


def _delayed(source: Source, ledger: Ledger, config: Json) -> None:
    found = module(source, "delayed")
    if found:
        limit = number(found[1].get("max_delayed_messages"), 0)
        config["delayed"] = {"enable": found[2], "max_delayed_messages": limit}
        ledger.carried(MODULES, found[0], "delayed", "the settings; messages that wait are lost")
    elif _is_on(source, "delayed"):
        config["delayed"] = {"enable": True, "max_delayed_messages": 0}


def _rewrite(source: Source, settings: Settings, ledger: Ledger, config: Json) -> None:
    rules: list[Json] = []
    found = module(source, "rewrite")
    is_on = found[2] if found else _may_be_on(source, "rewrite")
    if found:
        rows = mappings(found[1].get("rules"))
        rules += [rule for row in rows if (rule := _rewrite_row(row))]
        whole = len(rules) == len(rows)
        if whole:
            ledger.carried(MODULES, found[0], "rewrite")
        else:
            ledger.changed(
                MODULES,
                found[0],
                "rewrite",
                f"{len(rows) - len(rules)} of its rules could not be read",
                "write them on green",
            )
    for setting, match in list(settings.matching(r"module\.rewrite\.(?:(pub|sub)\.)?rule\.\d+")):
        parts = setting.value.split()
        if len(parts) != 3:
            settings.dropped(setting.key, "no filter, expression and destination", "write it on green")
            continue
        action = {"pub": "publish", "sub": "subscribe"}.get(match[1], "all")
        rules.append({"action": action, "source_topic": parts[0], "re": parts[1], "dest_topic": _named(parts[2])})
        settings.carried(setting.key, "rewrite" if is_on else OFF)
    if rules and is_on:
        config["rewrite"] = rules


def _rewrite_row(row: Mapping[str, Any]) -> Json | None:
    names = {"source_topic": ("source_topic", "topic"), "re": ("re",), "dest_topic": ("dest_topic", "dest")}
    values = {new: next((str(row[old]) for old in olds if row.get(old)), "") for new, olds in names.items()}
    action = {"pub": "publish", "sub": "subscribe"}.get(str(row.get("action")), str(row.get("action") or "all"))
    if not all(values.values()) or action not in ("publish", "subscribe", "all"):
        return None
    return {"action": action, **values, "dest_topic": _named(values["dest_topic"])}


def _named(topic: str) -> str:
    return topic.replace("%u", "${username}").replace("%c", "${clientid}")


def _subscriptions(source: Source, settings: Settings, ledger: Ledger, config: Json) -> None:
    topics: dict[str, Json] = {}
    found = module(source, "subscription")
    is_on = found[2] if found else _may_be_on(source, "subscription")
    for setting, match in list(settings.matching(r"module\.subscription\.(\d+)\.(topic|qos|nl|rap|rh)")):
        value: Any = _named(setting.value) if match[2] == "topic" else number(setting.value, 0)
        topics.setdefault(match[1], {"qos": 0, "nl": 0, "rap": 0, "rh": 0})[match[2]] = value
        settings.carried(setting.key, "auto_subscribe" if is_on else OFF)
    wanted = [one for one in topics.values() if one.get("topic")]
    if found:
        rows = mappings(found[1].get("topics") or found[1].get("subscriptions"))
        wanted += [
            {"topic": _named(str(row["topic"])), **{key: number(row.get(key), 0) for key in ("qos", "nl", "rap", "rh")}}
            for row in rows
            if row.get("topic")
        ]
        ledger.carried(MODULES, found[0], "subscription", "auto_subscribe" if is_on else OFF)
    if wanted and is_on:
        config["auto_subscribe"] = {"topics": wanted}


def _presence(source: Source, settings: Settings, ledger: Ledger, config: Json) -> None:
    found = module(source, "presence")
    is_on = found[2] if found else _is_on(source, "presence") or "module.presence.qos" in settings
    if is_on:
        config["sys_topics"] = {"sys_event_messages": {"client_connected": True, "client_disconnected": True}}
    if found:
        ledger.carried(MODULES, found[0], "presence", "sys_topics.sys_event_messages")
    settings.changed("module.presence.qos", "5.x sends these messages with QoS 0")


def _slow(source: Source, settings: Settings, ledger: Ledger, config: Json) -> None:
    found = module(source, "slow_subscribers_statistics") or module(source, "slow_subs")
    given: dict[str, Any] = {
        match[1]: setting.value for setting, match in settings.matching(r"module\.slow_subs\.(\w+)")
    }
    if found:
        given |= found[1]
        ledger.carried(MODULES, found[0], "slow_subs")
    for setting, _ in list(settings.matching(r"module\.slow_subs\.(\w+)")):
        settings.carried(setting.key, "slow_subs")
    if given:
        names = ("threshold", "expire_interval", "stats_type")
        slow: Json = {name: str(given[name]) for name in names if given.get(name)}
        if given.get("top_k_num"):
            slow["top_k_num"] = number(given["top_k_num"], 10)
        config["slow_subs"] = {"enable": found[2] if found else _is_on(source, "slow_subs"), **slow}


def _psk(source: Source, settings: Settings, ledger: Ledger, config: Json, files: dict[str, str]) -> None:
    found = module(source, "psk_authentication")
    text, enabled = "", True
    if found:
        content, enabled = found[1].get("psk_file"), found[2]
        path = content if isinstance(content, str) else ""
        given = find_file(source, PurePath(path).name) if path else None
        text = given[1] if given else file_text(content) if isinstance(content, Mapping) else ""
        if text:
            ledger.carried(MODULES, found[0], "psk_authentication", f"{PSK_FILE} of the nodes and psk_authentication")
        else:
            why = "its file is not in the export"
            ledger.dropped(MODULES, found[0], "psk_authentication", why, "give the PSK file of a node too")
    elif "psk.file.path" in settings:
        given = find_file(source, PurePath(settings.peek("psk.file.path")).name)
        if given is None or said(source, "loaded_plugins", "emqx_psk_file") is False:
            settings.dropped(
                "psk.file.path",
                "the file is not given, or its plugin is not loaded",
                "give the file too, if it is used",
            )
            settings.dropped("psk.file.delimiter", "without the file it says nothing", "nothing")
            return
        text = given[1]
        settings.carried("psk.file.path", f"{PSK_FILE} of the nodes")
    if not text:
        return
    separator = settings.carried("psk.file.delimiter") or ":"
    files[PSK_FILE] = _psk_lines(text, separator, ledger)
    config["psk_authentication"] = {"enable": enabled, "separator": separator, "init_file": etc(PSK_FILE)}


def _psk_lines(text: str, separator: str, ledger: Ledger) -> str:
    """Its identities with their keys; each line is accounted."""
    lines = [line for line in text.splitlines() if line.strip()]
    ledger.expect("psk", len(lines))
    for at, line in enumerate(lines):
        identity, found_separator, _ = line.partition(separator)
        if found_separator:
            ledger.carried("psk", at, identity, f"in {PSK_FILE}")
        else:
            ledger.dropped("psk", at, f"line {at + 1}", "no identity and key", "write the line anew")
    return "".join(f"{line}\n" for line in lines if separator in line)


def _gone(source: Source, ledger: Ledger) -> None:
    for at, row in enumerate((source.export or {}).get(MODULES, [])):
        kind = str(row.get("type"))
        if kind in GONE_MODULES:
            ledger.dropped(MODULES, at, kind, *GONE_MODULES[kind])
