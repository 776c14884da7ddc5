"""What differs between EMQX's editions and versions, as data; no other module asks for an edition or a version by name."""

from __future__ import annotations

from dataclasses import dataclass

from components.cutover.words import Edition

_BOTH_ROOTS = (
    "authentication",
    "authorization",
    "rule_engine",
    "connectors",
    "actions",
    "sources",
    "bridges",
    "retainer",
    "auto_subscribe",
    "rewrite",
    "delayed",
    "psk_authentication",
    "mqtt",
    "flapping_detect",
    "topic_metrics",
    "exhook",
    "gateway",
    "slow_subs",
)
_ENTERPRISE_ROOTS = ("schema_registry", "schema_validation", "message_transformation")


@dataclass(frozen=True)
class Dialect:
    """How one edition speaks.

    ``export_roots`` are the root keys that an export names (docs/emqx/backup.md#the-body-that-works); ``availability`` is the path
    that says whether a node takes clients: open source has no ``availability_check`` (docs/emqx/balancer.md#health-checks).
    """

    edition: Edition
    has_evacuation: bool
    has_license: bool
    availability: str
    export_roots: tuple[str, ...]


DIALECTS: dict[Edition, Dialect] = {
    "ee": Dialect(
        edition="ee",
        has_evacuation=True,
        has_license=True,
        availability="/load_rebalance/availability_check",
        export_roots=_BOTH_ROOTS + _ENTERPRISE_ROOTS,
    ),
    "ce": Dialect(
        edition="ce", has_evacuation=False, has_license=False, availability="/status", export_roots=_BOTH_ROOTS
    ),
}
