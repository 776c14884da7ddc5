"""Retainer, delayed publish, rewrite, automatic subscription, PSK, presence, slow subscriptions.

Each has two origins, a module of Enterprise or a module and settings of the open source edition; the file says which is asked first.
The rule kept here: what was off stays off, and 5.x has some of these on by itself (retainer, delayed publish, messages of presence): where they
were off, green is told so. What nobody knows to be on is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.migration.hop_44_5.plugins import MODULES, is_loaded, module
from components.migration.hop_44_5.psk import convert_psk
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.source import Source
from components.migration.hop_44_5.table import Term
from components.migration.hop_44_5.values import mappings, number, truth
from components.migration.manifest import NOTHING, Ledger

Json = dict[str, Any]
OFF = "off as it was"
WAS_OFF = "it was off"
NOT_ON = "its module is not loaded"
UNKNOWN = "it is not known whether this module is on, so it is left out"
GIVE_MODULES = "give data/loaded_modules of a node too"
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


def convert_features(source: Source, settings: Settings, ledger: Ledger) -> tuple[Json, list[Term]]:
    """The roots of the configuration, and the rows of the identities of PSK."""
    config: Json = {}
    _retainer(source, settings, ledger, config)
    _delayed(source, ledger, config)
    _rewrite(source, settings, ledger, config)
    _subscriptions(source, settings, ledger, config)
    _presence(source, settings, ledger, config)
    _slow(source, settings, ledger, config)
    psk, identities = convert_psk(source, settings, ledger)
    if psk:
        config["psk_authentication"] = psk
    _gone(source, ledger)
    return config, identities


def _state(source: Source, name: str) -> bool | None:
    """Whether a module of the open source edition is on; None where ``loaded_modules`` is not given."""
    return is_loaded(source, "loaded_modules", f"emqx_mod_{name}")


def _say(settings: Settings, key: str, root: str, got: object, *, is_on: bool | None) -> None:
    """A setting of a module that was on, off, or of which nobody knows."""
    if is_on:
        settings.carried(key, root, got)
    elif is_on is None:
        settings.dropped(key, UNKNOWN, GIVE_MODULES)
    else:
        settings.dropped(key, NOT_ON, NOTHING)


def _retainer(source: Source, settings: Settings, ledger: Ledger, config: Json) -> None:
    found = module(source, "retainer")
    given: dict[str, Any] = {match[1]: setting.value for setting, match in settings.matching(r"retainer\.(\w+)")}
    is_on = False if MODULES in (source.export or {}) else is_loaded(source, "loaded_plugins", "emqx_retainer")
    enabled = is_on is not False
    if found:
        given, enabled = {**given, **found[1]}, found[2]
    if not given and found is None and enabled:
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
    else:
        is_on = False if MODULES in (source.export or {}) else _state(source, "delayed") is True
        config["delayed"] = {"enable": is_on, "max_delayed_messages": 0}


def _rewrite(source: Source, settings: Settings, ledger: Ledger, config: Json) -> None:
    rules: list[Json] = []
    found = module(source, "rewrite")
    is_on = found[2] if found else _state(source, "rewrite")
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
        _say(settings, setting.key, "rewrite", rules[-1], is_on=is_on)
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
    is_on = found[2] if found else _state(source, "subscription")
    for setting, match in list(settings.matching(r"module\.subscription\.(\d+)\.(topic|qos|nl|rap|rh)")):
        value: Any = _named(setting.value) if match[2] == "topic" else number(setting.value, 0)
        topics.setdefault(match[1], {"qos": 0, "nl": 0, "rap": 0, "rh": 0})[match[2]] = value
        _say(settings, setting.key, "auto_subscribe", value, is_on=is_on)
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
    is_on = found[2] if found else False if MODULES in (source.export or {}) else _state(source, "presence")
    if is_on is not None:
        config["sys_topics"] = {"sys_event_messages": {"client_connected": is_on, "client_disconnected": is_on}}
    if found:
        ledger.carried(MODULES, found[0], "presence", "sys_topics.sys_event_messages" if is_on else OFF)
    if is_on is False:
        settings.dropped("module.presence.qos", NOT_ON, NOTHING)
    else:
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
        config["slow_subs"] = {"enable": found[2] if found else _state(source, "slow_subs") is True, **slow}


def _gone(source: Source, ledger: Ledger) -> None:
    for at, row in enumerate((source.export or {}).get(MODULES, [])):
        kind = str(row.get("type"))
        if kind in GONE_MODULES:
            why, todo = GONE_MODULES[kind]
            ledger.dropped(MODULES, at, kind, *((why, todo) if row.get("enabled") is True else (WAS_OFF, NOTHING)))
