"""Detectors of 6.0 to 6.3: rules 60-01 to 63-07; read from changelogs, not from code (docs/emqx/routes.md#how-the-rules-were-read)."""

from __future__ import annotations

import re

from components.cutover.versions import Version
from components.migration.detectors.base import (
    CLEAR,
    Verdicts,
    absent,
    ask,
    every,
    first,
    found,
    hocon,
    no_tree,
    planned,
    said,
)
from components.migration.detectors.hop_5x import FILES, is_true
from components.migration.detectors.hop_51 import SCRIPTS
from components.migration.facts import Facts
from components.migration.rules import Finding, Place

MOVED_6_0 = {
    "durable_storage.messages.n_sites": "durable_storage.n_sites",
    "durable_sessions.heartbeat_interval": "durable_sessions.checkpoint_interval",
    "durable_sessions.idle_poll_interval": "",
    "durable_sessions.renew_streams_interval": "",
    "durable_sessions.session_gc_interval": "",
    "durable_sessions.session_gc_batch_size": "",
}
"""Keys of 5.x and what they are called in 6.0; empty where they are gone (60-02)."""
SQL_ACTIONS = " ".join(
    f"actions.{kind}.*"
    for kind in (
        *("mysql", "pgsql", "timescale", "matrix", "clickhouse", "sqlserver", "oracle", "tdengine", "snowflake"),
        *("alloydb", "cockroachdb", "redshift", "doris", "datalayers"),
    )
)


def _moved(facts: Facts) -> Finding:
    """Each key that 6.0 calls otherwise, with its new name."""
    if facts.hocons is None:
        return no_tree(facts, FILES)
    return found(
        Place(*whole.spot(old), f"{old} is {new or 'nothing'} now")
        for whole in facts.in_effect
        for old, new in MOVED_6_0.items()
        for _ in whole.find(old)
    )


def _namespaced(facts: Facts) -> Finding:
    """Namespaces in use, and the switch left to its default."""
    if facts.hocons is None:
        return no_tree(facts, FILES)
    if any(True for whole in facts.in_effect for _ in whole.find("rule_engine.limit_selects_in_namespace")):
        return CLEAR
    return found(
        Place(*whole.spot("multi_tenancy"), "multi_tenancy")
        for whole in facts.in_effect
        if "multi_tenancy" in whole.tree
    )


DETECTORS: Verdicts = {
    "60-01": ask("is the new nodes' operating system among those that 6.0 has packages for?"),
    "60-02": first(hocon("durable_sessions.enable", FILES, is_true), _moved),
    "60-03": ask("do access rules decide about topics that devices use for their will messages?"),
    "60-04": hocon("actions.rocketmq.* bridges.rocketmq.*", FILES),
    "60-05": _namespaced,
    "61-01": hocon(
        "rule_engine.rules.*.sql", FILES, lambda value: re.search(r"\bregex_\w+\s*\(", str(value)) is not None
    ),
    "61-02": hocon("retainer.flow_control.batch_*", FILES),
    "61-03": said(r"\brelup\b", SCRIPTS),
    "62-01": every(
        planned(lambda plan: plan.target == Version(6, 2, 0)), hocon("durable_sessions.enable", FILES, is_true)
    ),
    "63-01": every(
        planned(lambda plan: plan.target == Version(6, 3, 0)),
        planned(lambda plan: plan.operator, "does the EMQX Operator manage the new cluster?", "operator"),
    ),
    "63-02": absent("mqtt.strict_mode", FILES),
    "63-03": absent("prometheus.enable_basic_auth", FILES),
    "63-04": said(r"\$SYS/", SCRIPTS),
    "63-05": planned(
        lambda plan: plan.hardened,
        "have the new nodes the hardened security profile, and the old ones the legacy profile?",
        "hardened",
    ),
    "63-06": hocon(SQL_ACTIONS, FILES),
    "63-07": said(r"\benbale\b|\bnamespace\b", SCRIPTS),
}
