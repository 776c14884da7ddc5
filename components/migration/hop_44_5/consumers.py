"""Modules of 4.4 that publish what another broker or a queue holds, as a connector, a source for each topic, and rules that republish.

No export with a Kafka or Pub/Sub module was seen. Kafka's keys are those of EMQX's "Data integration incompatibility between 5.1 and 4.4" and
of a public listing of the module's parameters (4.2.2); Pub/Sub's are taken to be like them. The rule kept here: what stands under another
key is said to be missing or not carried, and a topic that 5.x could not publish to as 4.4 did is left out and said to be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.migration.hop_44_5.engine import ANEW, Engine, unavailable
from components.migration.hop_44_5.names import component_name
from components.migration.hop_44_5.plugins import MODULES
from components.migration.hop_44_5.readers import read_account, read_hosts, read_kafka_authentication, read_offset
from components.migration.hop_44_5.recipe_table import MQTT_CONNECTOR, POOL, SSL
from components.migration.hop_44_5.recipes import UNSHAPED, Field, Watched, attempt, build, need
from components.migration.hop_44_5.shape import component_faults, refused
from components.migration.hop_44_5.source import Options, Source
from components.migration.hop_44_5.values import number
from components.migration.manifest import Ledger

Json = dict[str, Any]
OWN_GROUP = "it reads in a group of its own from the newest message on, so that while both clusters run each of them publishes every message"


@dataclass(frozen=True)
class Consumer:
    """One kind of module.

    Args:
        module: its type in 4.4.
        kind: of connector and source in 5.x.
        label: what connector, sources and rules are called.
        connector: from the module's configuration.
        listed: the key of its list of topics.
        source: from one topic of the list and, behind it, the module's configuration.
        published: the key of the topic that its messages get; empty where they keep their own.
        payload: of the published message.
        fields: what a message of the source has, for the topic that it gets.
        notes: what is not the same.
        unused: keys that say nothing to 5.x.

    """

    module: str
    kind: str
    label: str
    connector: tuple[Field, ...]
    listed: str
    source: tuple[Field, ...]
    published: str = "mqtt_topic"
    payload: str = "${value}"
    fields: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    community: bool = False


CONSUMERS = (
    Consumer(
        "mqtt_subscriber",
        "mqtt",
        "subscriber",
        MQTT_CONNECTOR,
        "subscription_opts",
        (need("topic", read=str), Field("qos", "", lambda row: number(row.get("qos"), 0))),
        published="",
        payload="${payload}",
        community=True,
    ),
    Consumer(
        "kafka_consumer",
        "kafka_consumer",
        "kafka_consumer",
        (
            need("bootstrap_hosts", "servers", read_hosts),
            Field("authentication", "", read_kafka_authentication),
            SSL,
        ),
        "topic_mapping",
        (
            need("topic", "kafka_topic"),
            Field("max_batch_bytes", "max_bytes"),
            Field("offset_reset_policy", "offset_reset_policy", read_offset),
        ),
        fields=frozenset({"key", "value", "topic", "offset", "ts", "headers"}),
        notes=(OWN_GROUP,),
        unused=("pool_size",),  # 5.x has as many as the topic has partitions
    ),
    Consumer(
        "gcp_pubsub_consumer",
        "gcp_pubsub_consumer",
        "gcp_pubsub_consumer",
        (need("service_account_json", read=read_account), POOL, Field("connect_timeout", "connect_timeout")),
        "topic_mapping",
        (
            need("topic", "pubsub_topic"),
            Field("pull_max_messages", "pull_max_messages", lambda value: number(value, 100)),
        ),
        fields=frozenset({"value", "topic", "attributes", "message_id", "ordering_key", "publishing_time"}),
        notes=(OWN_GROUP,),
    ),
)


def convert_consumers(
    engine: Engine, source: Source, options: Options, ledger: Ledger, target: tuple[int, int]
) -> None:
    """Every module of these kinds, on or off as it was."""
    for at, row in enumerate((source.export or {}).get(MODULES, [])):
        for consumer in CONSUMERS:
            if row.get("type") == consumer.module:
                config, enabled = Watched(row.get("config") or {}), row.get("enabled") is True
                why = unavailable(consumer.kind, options, target, community=consumer.community)
                why = why or _convert(engine, consumer, config, ledger, at, enabled=enabled)
                if why:
                    ledger.dropped(MODULES, at, consumer.module, why, ANEW)


def _convert(engine: Engine, consumer: Consumer, config: Watched, ledger: Ledger, at: int, *, enabled: bool) -> str:
    """Write one; why it cannot be, or nothing."""
    connector = attempt(lambda: build(consumer.connector, config))
    if isinstance(connector, str):
        return connector
    why = refused(component_faults("connectors", consumer.kind, connector))
    found = [_topic(consumer, config, row) for row in _listed(config.get(consumer.listed))]
    made = [one for one in found if isinstance(one, _Topic)]
    reasons = [f"topic {place}: {one}" for place, one in enumerate(found, start=1) if isinstance(one, str)]
    if why or not made:
        return why or "; ".join(reasons) or f"it names no topics ({consumer.listed})"
    name = component_name(consumer.label, "", engine.connectors.setdefault(consumer.kind, {}))
    engine.connectors[consumer.kind][name] = {**connector, "enable": enabled}
    sources = [_add_source(engine, consumer, name, one, enabled=enabled) for one in made]
    rules = _add_rules(engine, consumer, list(zip(made, sources, strict=True)))
    unread = {key for one in made for key in one.unread} | set(config.unread(config)) - set(consumer.unused)
    how = f"connector {consumer.kind}:{name}, {len(made)} sources and {rules} that republish"
    notes = (*consumer.notes, *reasons, *((f"not carried: {', '.join(sorted(unread))}",) if unread else ()))
    if notes:
        ledger.changed(
            MODULES, at, consumer.module, "; ".join((how, *notes)), "look at its connector, sources and rules"
        )
    else:
        ledger.carried(MODULES, at, consumer.module, how)
    return ""


def _listed(rows: Any) -> list[Any]:
    return rows if isinstance(rows, list) else []


@dataclass(frozen=True)
class _Topic:
    """One topic: parameters of its source, where its messages go, with which QoS, and keys that nothing was made of."""

    parameters: Json
    target: str
    qos: int | str
    unread: tuple[str, ...]


def _topic(consumer: Consumer, config: Watched, row: Any) -> _Topic | str:
    """One of the list, or why it is left out."""
    if not isinstance(row, Mapping):
        return UNSHAPED
    both = Watched({**config, **row})
    parameters = attempt(lambda: build(consumer.source, both))
    if isinstance(parameters, str):
        return parameters
    config.read |= both.read  # what it read of the module's own keys
    target: str = "${topic}"
    qos: int | str = "${qos}"
    if consumer.published:
        target = re.sub(r"\$\{message\.", "${", str(both.get(consumer.published) or ""))
        qos = number(both.get("mqtt_topic_qos", both.get("qos")), 0)
        if not target or not consumer.fields.issuperset(re.findall(r"\$\{\.?(\w*)", target)):
            return f"its {consumer.published} is missing, or has a placeholder that 5.x does not fill"
    why = refused(component_faults("sources", consumer.kind, {"connector": "n", "parameters": parameters}))
    return why or _Topic(parameters, target, qos, tuple(both.unread(row)))


def _add_source(engine: Engine, consumer: Consumer, connector: str, topic: _Topic, *, enabled: bool) -> str:
    taken = engine.sources.setdefault(consumer.kind, {})
    name = component_name(f"{consumer.label}_{len(taken) + 1}", "", taken)
    taken[name] = {"enable": enabled, "connector": connector, "parameters": topic.parameters}
    return name


def _add_rules(engine: Engine, consumer: Consumer, made: list[tuple[_Topic, str]]) -> str:
    """One rule where the messages keep their topics, else one for each; how many, in words."""
    groups = [made] if made and not consumer.published else [[one] for one in made]
    for group in groups:
        out = {"topic": group[0][0].target, "qos": group[0][0].qos, "payload": consumer.payload}
        out |= {"retain": False if consumer.published else "${retain}"}
        tables = ", ".join(f'"$bridges/{consumer.kind}:{name}"' for _, name in group)
        rule = component_name(consumer.label, "", engine.rules)
        sql = f"SELECT * FROM {tables}"  # noqa: S608 - a rule's SQL over names that we made
        engine.rules[rule] = {"sql": sql, "enable": True, "actions": [{"function": "republish", "args": out}]}
    return "a rule" if len(groups) == 1 else f"{len(groups)} rules"
