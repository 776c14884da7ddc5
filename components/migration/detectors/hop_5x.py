"""Detectors of 5.4 to 5.10: rules 54-01 to 510-03, on the HOCON of a cluster (``cluster.hocon``, ``emqx.conf``, ``base.hocon``)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from components.cutover.versions import Version
from components.migration.detectors.base import (
    PLAN,
    Verdicts,
    above,
    absent,
    ask,
    block_of,
    by_source,
    every,
    first,
    flat,
    found,
    hocon,
    in_cluster,
    measured,
    no_tree,
    planned,
    said,
)
from components.migration.detectors.hop_51 import SCRIPTS
from components.migration.facts import Facts, Live, Plan
from components.migration.rules import Detector, Finding, Hit, Place
from components.system.sizes import in_bytes

FILES = "give cluster.hocon (or an archive) and emqx.conf of the old cluster"
NEARLY_FULL = 0.9
CONNECTOR_OPTIONS = frozenset({"health_check_interval", "health_check_timeout", "start_after_created", "start_timeout"})


def system(*names: str) -> Detector:
    """The new nodes' operating system, as ``ubuntu 18.04``; a name without version means all of them."""
    listed = ", ".join(names)

    def runs(plan: Plan) -> bool | None:
        if plan.system is None:
            return None
        return any(plan.system == name or plan.system.startswith((f"{name} ", f"{name}.")) for name in names)

    return planned(runs, f"do the new nodes run on {listed}?", listed)


def is_true(value: Any) -> bool:
    """A switch that is on, however HOCON wrote it."""
    return str(value).lower() in {"true", "on"}


def lacks(*keys: str) -> Any:
    """A block without one of these keys."""
    return lambda value: isinstance(value, dict) and any(key not in value for key in keys)


def _uses(mechanism: str, value: Any) -> bool:
    return isinstance(value, dict) and mechanism in {str(value.get("mechanism")), str(value.get("backend"))}


def _crosses_5_4(plan: Plan) -> bool | None:
    return in_cluster(plan) if plan.target < Version(5, 6, 0) else False


def _old_tables(plan: Plan) -> bool | None:
    """Whether routing tables of v1 can still be in use."""
    mixed = in_cluster(plan)
    if not mixed:
        return mixed
    return True if plan.source < Version(5, 4, 0) else plan.began_before_5_4


def _nearly_full(connections: int | None, limit: int | None) -> bool | None:
    if connections is None or limit is None:
        return None
    return limit > 0 and connections > NEARLY_FULL * limit


def _with_gateways(live: Live) -> bool | None:
    if live.gateway_connections is None or live.connections is None:
        return None
    return _nearly_full(live.connections + live.gateway_connections, live.licence_limit)


def _gateways(facts: Facts) -> Finding:
    """Gateways of 5.x that are on; which plugins of 4.x become gateways is the conversion's business, so there the counts decide."""
    if facts.plan.source.major == 4:
        return Hit((Place(PLAN, item="gateways of 4.x"),))
    return hocon("gateway.*", FILES, lambda value: isinstance(value, dict) and is_true(value.get("enable", True)))(
        facts
    )


def _no_hash_key(action: Any) -> bool:
    """Of an action, whose settings are below ``parameters``."""
    return isinstance(action, dict) and "hash_key" not in block_of(action, "parameters")


def _escaped_triple_quotes(facts: Facts) -> Finding:
    """Hand-written files only: what EMQX itself writes (cluster.hocon) never needs the escape."""
    if facts.hocons is None:
        return no_tree(facts, FILES)
    strings = re.compile(r'"""(?!~)((?:(?!""").)*?\\[nrt\\"](?:(?!""").)*)"""', re.DOTALL)
    return found(
        Place(file.file, file.text.count("\n", 0, string.start()) + 1)
        for file in facts.hocons
        for string in strings.finditer(file.text)
    )


def _connector_options(facts: Facts) -> Finding:
    if facts.hocons is None:
        return no_tree(facts, FILES)
    options = (
        (whole, path)
        for whole in facts.in_effect
        for path, _ in whole.find("connectors.gcp_pubsub_producer.*.resource_opts.*")
    )
    return found(
        Place(*whole.spot(path), path) for whole, path in options if path.rsplit(".", 1)[-1] not in CONNECTOR_OPTIONS
    )


def _no_port(value: Any) -> bool:
    return "\\" in str(value) and re.search(r":\d+$", str(value)) is None


def _no_url(value: Any) -> bool:
    try:
        parts = urlsplit(str(value))
    except ValueError:
        return True
    return parts.scheme not in {"http", "https"} or not parts.netloc


AUTHENTICATORS = "authentication authentication.* listeners.*.*.authentication.*"
PRODUCERS = " ".join(
    f"{root}.{block}.buffer.mode"
    for root in (
        *("actions.kafka_producer.*", "actions.confluent_producer.*", "actions.azure_event_hub_producer.*"),
        *("bridges.kafka.*", "bridges.kafka_producer.*", "bridges.azure_event_hub_producer.*"),
    )
    for block in ("parameters", "kafka")
)
"""Up to 5.5 the same stands below ``bridges``, and up to 5.4 below ``kafka``."""
OLD_LIMITER = " ".join(
    f"{where}.{key}"
    for where in ("limiter.*", "limiter.client.*", "listeners.*.*.limiter.*", "listeners.*.*.limiter.client.*")
    for key in ("rate", "capacity", "initial", "client")
)

DETECTORS: Verdicts = {
    "54-01": hocon("cluster.discovery_strategy", FILES, lambda value: value == "mcast"),
    "54-02": first(
        hocon("exhook.servers.*", FILES),
        hocon(
            "rule_engine.rules.*.sql",
            FILES,
            lambda value: re.search(r"\$events/session_(un)?subscribed", str(value)) is not None,
        ),
    ),
    "54-03": hocon("exhook.servers.*", FILES),
    "54-04": planned(
        lambda plan: None if plan.licence is None else not plan.licence,
        "do the new nodes have a licence key (license.key)?",
        "no licence key",
    ),
    "54-05": system("windows", "macos 11"),
    "54-06": planned(_crosses_5_4, "is this a roll over 5.4 in one cluster?"),
    "55-01": hocon("bridges.mqtt.*", FILES),
    "55-02": _connector_options,
    "56-01": hocon("bridges.*.*", FILES),
    "56-02": _escaped_triple_quotes,
    "57-01": hocon(AUTHENTICATORS, FILES, lambda value: _uses("jwt", value) and "disconnect_after_expire" not in value),
    "57-02": first(
        hocon("connectors.dynamo.*", FILES, lacks("region")),
        hocon("actions.dynamo.*", FILES, _no_hash_key),
        hocon("bridges.dynamo.*", FILES, lacks("region", "hash_key")),
    ),
    "57-03": system("macos 12"),
    "57-04": every(
        hocon(PRODUCERS, FILES, lambda value: value in {"disk", "hybrid"}),
        measured(
            lambda live: above(0, live.buffered),
            "how many messages wait in the buffers of the Kafka actions?",
            "buffered messages",
        ),
    ),
    "57-05": hocon("actions.s3.*.parameters.mode", FILES, lambda value: value == "aggregated"),
    "57-06": hocon("schema_validation.validations.*.topics", FILES, lambda value: value in ([], "")),
    "58-01": absent("mqtt.retry_interval", FILES),
    "58-02": system("centos 7", "el7", "ubuntu 18"),
    "58-03": hocon("durable_sessions.enable", FILES, is_true),
    "58-04": said(r"emqx_ds_egress_", SCRIPTS),
    "58-05": every(
        planned(lambda plan: plan.edition_to == "ce"),
        first(hocon("node.role", FILES, lambda value: value == "replicant"), hocon("cluster.core_nodes", FILES)),
    ),
    "58-06": planned(lambda plan: plan.edition_to == "ce"),
    "58-07": every(
        _gateways,
        measured(
            _with_gateways,
            "do MQTT and gateway connections together come near the licence's limit?",
            "connections and gateway connections",
        ),
    ),
    "58-08": said(r"/banned\b", SCRIPTS),
    "58-09": ask("does a client subscribe to # or +/... and expect retained messages of topics that begin with $?"),
    "58-10": every(
        planned(lambda plan: plan.source < Version(5, 8, 5)),
        measured(
            lambda live: _nearly_full(live.connections, live.licence_limit),
            "are there more connections than 90 % of the licence?",
            "connections",
        ),
    ),
    "58-11": every(
        planned(in_cluster, "is this a roll in one cluster?"),
        hocon(
            "opentelemetry.traces.enable opentelemetry.logs.enable opentelemetry.metrics.enable opentelemetry.enable",
            FILES,
            is_true,
        ),
    ),
    "59-01": every(
        planned(lambda plan: None if plan.nodes is None else plan.nodes > 1, "how many nodes has the new cluster?"),
        planned(
            lambda plan: None if plan.licence is None else not plan.licence,
            "has each new node a commercial licence key before it starts?",
            "no licence key",
        ),
    ),
    "59-02": hocon(
        AUTHENTICATORS,
        FILES,
        lambda value: _uses("ldap", value) and bool({"password_attribute", "is_superuser_attribute"} & set(value)),
    ),
    "59-03": hocon("connectors.sqlserver.*.server bridges.sqlserver.*.server", FILES, _no_port),
    "59-04": hocon(OLD_LIMITER, FILES),
    "59-05": hocon(
        "force_shutdown.max_heap_size zones.*.force_shutdown.max_heap_size",
        FILES,
        lambda value: (in_bytes(str(value)) or 0) > 128 * 2**30,
    ),
    "59-06": hocon("plugins.states.*", FILES),
    "59-07": by_source(
        flat(r"listener\.[a-z]+\.[^.]+\.max_conn_rate", "give emqx.conf of the old cluster"),
        hocon("listeners.*.*.max_conn_rate", FILES, lambda value: str(value) != "infinity"),
    ),
    "59-08": hocon("dashboard.sso.oidc.issuer", FILES, _no_url),
    "510-01": hocon(
        "connectors.*.*",
        FILES,
        lambda value: isinstance(value, dict) and "health_check_timeout" not in block_of(value, "resource_opts"),
    ),
    "510-02": planned(
        _old_tables, "did this cluster begin before 5.4, and has it never been stopped as a whole since?"
    ),
    "510-03": hocon("multi_tenancy.default_max_sessions", FILES, lambda value: str(value) == "0"),
}
