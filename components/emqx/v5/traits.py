"""What differs between the editions and between the versions of 5.x, as data; no other module of the dialect asks for either by name.

What is true of an edition stands in ``EDITIONS``, what is true from a version on is a constant ``..._SINCE``.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.cutover.versions import Line
from components.cutover.words import Edition

ROOT = "/api/v5"
"""Where the management API of 5.x and later begins."""

EXPORTS_SINCE: Line = (5, 1)
"""5.0 has no data export at all (docs/emqx/backup.md#versions-and-editions)."""

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
class EditionTraits:
    """What one edition can do.

    ``export_roots`` are the root keys that an export names (docs/emqx/backup.md#the-body-that-works); ``health_check`` is the whole path
    that says whether a node takes clients: open source has no ``availability_check`` (docs/emqx/balancer.md#health-checks).
    """

    edition: Edition
    has_evacuation: bool
    has_license: bool
    health_check: str
    export_roots: tuple[str, ...]


EDITIONS: dict[Edition, EditionTraits] = {
    "ee": EditionTraits(
        edition="ee",
        has_evacuation=True,
        has_license=True,
        health_check=f"{ROOT}/load_rebalance/availability_check",
        export_roots=_BOTH_ROOTS + _ENTERPRISE_ROOTS,
    ),
    "ce": EditionTraits(
        edition="ce", has_evacuation=False, has_license=False, health_check="/status", export_roots=_BOTH_ROOTS
    ),
}
