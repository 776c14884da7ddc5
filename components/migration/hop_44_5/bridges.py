"""Bridges of the plugin ``emqx_bridge_mqtt``: a connector, a source for each subscription, an action for what is forwarded, and their rules.

Messages that come in get ``receive_mountpoint`` before their topic, those that go out ``forward_mountpoint``; the rule kept here: a bridge to
an Erlang node (``emqx@host``) has no counterpart and its settings stay to be accounted as dropped, and no two rules of a bridge feed each other.
"""

from __future__ import annotations

import re
from typing import Any

from components.migration.echo import coming_round, forwards_of
from components.migration.hop_44_5.engine import Engine, unavailable
from components.migration.hop_44_5.names import component_name
from components.migration.hop_44_5.plugins import is_loaded
from components.migration.hop_44_5.readers import read_version
from components.migration.hop_44_5.recipe_table import SSL
from components.migration.hop_44_5.recipes import Field, MissingError, Watched, build, need, same
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.shape import component_faults, refused
from components.migration.hop_44_5.source import Options, Source
from components.migration.hop_44_5.values import number, truth
from components.migration.manifest import shorten

Json = dict[str, Any]
PLUGIN = "emqx_bridge_mqtt"
NARROW = "give the two directions topics or mount points that do not meet, then switch it on"
MANUAL = "a bridge that is started by hand: its connector is off"
CONNECTOR = (
    need("server", "address"),
    Field("clientid_prefix", "clientid"),
    *same("username", "password", "keepalive", "retry_interval"),
    Field("proto_ver", "proto_ver", read_version),
    Field("clean_start", "clean_start", truth),
    Field("bridge_mode", "bridge_mode", truth),
    Field("max_inflight", "max_inflight_size", lambda value: number(value, 32)),
    SSL,
)


def convert_bridges(
    engine: Engine, source: Source, settings: Settings, options: Options, target: tuple[int, int]
) -> None:
    """Every bridge whose plugin is loaded; what nothing is made of stays open."""
    if is_loaded(source, "loaded_plugins", PLUGIN) is not True or unavailable("mqtt", options, target, community=True):
        return
    for name in dict.fromkeys(match[1] for _, match in settings.matching(r"bridge\.mqtt\.([\w-]+)\..+")):
        found = settings.matching(rf"bridge\.mqtt\.{re.escape(name)}\.(.+)")
        config = Watched({match[1]: setting.value for setting, match in found})
        if "@" not in str(config.get("address")):
            _bridge(engine, settings, name, config)


def _bridge(engine: Engine, settings: Settings, name: str, config: Watched) -> None:
    try:
        connector = build(CONNECTOR, config)
    except MissingError:
        return
    sources = {key: one for key, one in _subscriptions(config).items() if not _is_refused("sources", one)}
    forwards = forwards_of(str(config.get("forwards") or ""))
    if refused(component_faults("connectors", "mqtt", connector)) or any('"' in topic for topic in forwards):
        return
    enabled = str(config.get("start_type") or "manual") == "auto"
    made = component_name(name, "", engine.connectors.setdefault("mqtt", {}))
    engine.connectors["mqtt"][made] = {**connector, "enable": enabled}
    echo = coming_round(
        forwards,
        str(config.get("forward_mountpoint") or ""),
        [str(one["topic"]) for one in sources.values()],
        str(config.get("receive_mountpoint") or ""),
    )
    if sources:
        _receive(engine, made, list(sources.values()), str(config.get("receive_mountpoint") or ""), enabled=enabled)
    if forwards:
        _forward(engine, made, forwards, str(config.get("forward_mountpoint") or ""), enabled=enabled, runs=not echo)
    _account(settings, name, made, config, {key for number_ in sources for key in _keys(number_)}, enabled=enabled)
    if echo:
        how = f"{made}_in and {made}_out would trigger each other by {shorten(', '.join(echo))}: {made}_out is off"
        settings.changed(f"bridge.mqtt.{name}.forwards", how, NARROW)


def _keys(number_: str) -> tuple[str, str]:
    return f"subscription.{number_}.topic", f"subscription.{number_}.qos"


def _subscriptions(config: Watched) -> dict[str, Json]:
    """Parameters of each source, by the number of its subscription."""
    numbers = [match[1] for key in config if (match := re.fullmatch(r"subscription\.(\w+)\.topic", key))]
    return {one: {"topic": config[_keys(one)[0]], "qos": number(config.get(_keys(one)[1]), 1)} for one in numbers}


def _is_refused(root: str, parameters: Json) -> bool:
    return bool(refused(component_faults(root, "mqtt", {"connector": "n", "parameters": parameters})))


def _receive(engine: Engine, connector: str, sources: list[Json], mountpoint: str, *, enabled: bool) -> None:
    taken = engine.sources.setdefault("mqtt", {})
    names: list[str] = []
    for parameters in sources:
        name = component_name(f"{connector}_{len(names) + 1}", "", taken)
        taken[name] = {"enable": enabled, "connector": connector, "parameters": parameters}
        names.append(f'"$bridges/mqtt:{name}"')
    out = {"topic": f"{mountpoint}${{topic}}", "qos": "${qos}", "retain": "${retain}", "payload": "${payload}"}
    _rule(engine, f"{connector}_in", names, {"function": "republish", "args": out})


def _forward(engine: Engine, connector: str, topics: list[str], mountpoint: str, *, enabled: bool, runs: bool) -> None:
    taken = engine.actions.setdefault("mqtt", {})
    name = component_name(connector, "", taken)
    out = {"topic": f"{mountpoint}${{topic}}", "qos": "${qos}", "retain": "${flags.retain}", "payload": "${payload}"}
    taken[name] = {"enable": enabled, "connector": connector, "parameters": out}
    _rule(engine, f"{connector}_out", [f'"{topic}"' for topic in topics], f"mqtt:{name}", runs=runs)


def _rule(engine: Engine, wanted: str, tables: list[str], action: Any, *, runs: bool = True) -> None:
    sql = f"SELECT * FROM {', '.join(tables)}"  # noqa: S608 - a rule's SQL over names that we made, and topics without quotes
    engine.rules[component_name(wanted, "", engine.rules)] = {"sql": sql, "enable": runs, "actions": [action]}


def _account(settings: Settings, name: str, made: str, config: Watched, subscribed: set[str], *, enabled: bool) -> None:
    """The keys that were read; those of a subscription that 5.x does not take stay open."""
    for key in config.read & config.keys():
        if key == "start_type" and not enabled:
            settings.changed(f"bridge.mqtt.{name}.{key}", MANUAL, "switch it on if it ran")
        elif not key.startswith("subscription.") or key in subscribed:
            settings.carried(f"bridge.mqtt.{name}.{key}", f"connector mqtt:{made}, its sources and action")
