"""Detectors of 4.4 -> 5.1: the rules of 51 that are not about permissions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from components.cutover.versions import Version
from components.migration.detectors.base import (
    Verdicts,
    above,
    actions,
    actions_of,
    ask,
    block_of,
    every,
    exported,
    first,
    flat,
    found,
    if_given,
    loaded,
    measured,
    missing,
    modules,
    planned,
    resources,
    said,
)
from components.migration.detectors.set_by import place, settings
from components.migration.echo import echoes
from components.migration.facts import Export, Facts, Plan
from components.migration.rules import Finding, Place, Question

FILES = "give emqx.conf and etc/plugins of a 4.4 node"
EXPORT = "give the export of the 4.4 cluster"
PLUGINS = "give data/loaded_plugins of a 4.4 node"
SCRIPTS = "give the scripts, alert rules and client settings that talk to the cluster, or answer for them"
GONE = r"^((backend_|bridge_)?(tablestore|dolphindb|lindorm|sap_event_mesh|sap)|bridge_emqx|bridge_rpc)$"
LDAP_IS_BACK = Version(5, 3, 0)
RENAMED_RESOURCES = (
    r"^(backend_(redis_|mysql|mongo_|influxdb_|clickhouse|hstreamdb|tdengine|cassa|oracle|opentsdb|iotdb))"
)
OLD_PATHS = (
    r"/api/v4/(routes|brokers|alarms/(activated|deactivated)|subscriptions/|mqtt/(publish|subscribe|unsubscribe))"
)
OLD_METRICS = (
    r"emqx_client_auth_success_anonymous|emqx_client_check_acl|emqx_routes_(count|max)|emqx_session_takeovered"
    r"|erlang_vm_statistics_run_queues_length_total"
)


def _wrong_way(plan: Plan) -> bool | None:
    if plan.source < Version(4, 4, 0):
        return True
    return None if plan.strategy is None else plan.strategy != "two-cluster"


def _two_way(facts: Facts) -> Finding:
    """Bridges whose directions would feed each other, by their ``forwards``."""
    given = list(settings(facts))
    if facts.confs is None and not given:
        return Question(FILES)
    names = echoes({setting.key: setting.value for setting in given})
    keys = {f"bridge.mqtt.{name}.forwards" for name in names}
    return found(place(setting) for setting in given if setting.key in keys)


def _extra_keys(export: Export) -> Iterable[str]:
    """Settings of RabbitMQ and RocketMQ that have no counterpart."""
    keys = {"bridge_rabbit": {"durable", "exchange_type"}, "bridge_rocket": {"namespace", "strategy", "key"}}
    types = {str(row.get("id")): str(row.get("type")) for row in export.rows("resources")}
    for index, row in enumerate(export.rows("resources")):
        for key in sorted(keys.get(str(row.get("type")), set()) & set(block_of(row, "config"))):
            yield f"resources[{index}].config.{key}"
    for index, row in enumerate(export.rows("rules")):
        for number, action in actions_of(row):
            arguments = block_of(action, "args")
            kind = types.get(str(arguments.get("$resource")), "")
            for key in sorted(keys.get(kind, set()) & set(arguments)):
                yield f"rules[{index}].actions[{number}].args.{key}"


def _volatile_retainer(facts: Facts) -> Finding:
    """``ram`` is the default, in the file and in the module."""
    stored = {one.value for one in settings(facts) if one.key == "retainer.storage_type"}
    rows = facts.export.rows("modules") if facts.export else []
    stored |= {str(block_of(row, "config").get("storage_type", "ram")) for row in rows if row.get("type") == "retainer"}
    if not stored:
        return Question("where does the old cluster keep retained messages (retainer.storage_type)?")
    return found(Place("retainer", item=kind) for kind in sorted(stored - {"disc", "disc_copies"}))


def _lossy(export: Export) -> list[str]:
    """Sections of an export that the stock converter leaves out."""
    return [section for section, kept in (("users", 1), ("schemas", 0)) if len(export.rows(section)) > kept]


DETECTORS: Verdicts = {
    "51-01": planned(_wrong_way, "is this a move to a cluster of its own (two-cluster)?"),
    "51-02": flat(r"(zone|mqtt|listener)\..+", FILES),
    "51-03": said(r":8081\b", SCRIPTS),
    "51-04": said(r"/api/v4\b", SCRIPTS),
    "51-05": first(
        exported(
            lambda export: [f"apps[{i}]" for i, row in enumerate(export.rows("apps")) if row.get("id") == "admin"],
            EXPORT,
        ),
        said(r"\badmin:public\b", SCRIPTS),
    ),
    "51-06": said(OLD_PATHS, SCRIPTS),
    "51-07": first(
        measured(
            lambda live: above(0, live.internal_connections),
            "does anything connect to port 11883?",
            "connections on listener tcp:internal",
        ),
        said(r":11883\b", SCRIPTS),
    ),
    "51-08": flat(r"cluster\.discovery", FILES),
    "51-21": first(
        loaded("emqx_lua_hook|emqx_statsd", PLUGINS),
        modules("lua_hook|statsd", EXPORT),
        every(
            planned(lambda plan: plan.target < LDAP_IS_BACK),
            first(loaded("emqx_auth_ldap", PLUGINS), modules("^ldap_", EXPORT)),
        ),
    ),
    "51-22": first(
        actions(lambda name: re.search("offline|get_subs|lookup_sub|_store_", name) is not None, EXPORT),
        if_given(loaded(r"emqx_backend_\w+", PLUGINS)),
    ),
    "51-23": resources(GONE, EXPORT),
    "51-24": every(
        planned(lambda plan: plan.target < Version(5, 5, 0)),
        first(
            modules(r"jt_?t?808|gb_?t?32960|^tcp|ocpp", EXPORT),
            loaded("emqx_(jt808|gbt32960|tcp|ocpp)", PLUGINS),
        ),
    ),
    "51-25": flat(r"listener\.(ssl|wss)\..+\.(partial_chain|verify_peer_ext_key_usage)", FILES),
    "51-26": ask("do devices keep a connection alive with anything but whole MQTT packets?"),
    "51-27": missing(r"zone\.[^.]+\.retry_interval", FILES),
    "51-28": ask("does a test subscribe on one node and publish on another at once, without a second try?"),
    "51-29": said(OLD_METRICS, SCRIPTS),
    "51-30": resources("^bridge_kafka$", EXPORT),
    "51-31": resources(RENAMED_RESOURCES, EXPORT),
    "51-32": exported(_extra_keys, EXPORT),
    "51-33": resources("^bridge_mqtt$", EXPORT),
    "51-34": first(
        measured(
            lambda live: above(0, live.persistent_sessions),
            "how many persistent sessions has the old cluster?",
            "persistent sessions",
        ),
        measured(
            lambda live: above(0, live.delayed_messages),
            "how many delayed messages wait on the old cluster?",
            "delayed messages",
        ),
        exported(_lossy, EXPORT),
    ),
    "51-38": actions(lambda name: name not in {"republish", "inspect"} and not name.startswith("data_to_"), EXPORT),
    "51-39": every(
        _volatile_retainer,
        measured(
            lambda live: above(0, live.retained_messages),
            "how many retained messages has the old cluster?",
            "retained messages",
        ),
    ),
    "51-60": _two_way,
    "51-40": planned(
        lambda plan: None if plan.data_directory is None else plan.data_directory == "used",
        "do the 5.x nodes start with an empty data directory?",
    ),
}
