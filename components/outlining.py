"""What the outline of a plan has from the stack's config, the clusters and the rules.

The rule: it only reads, and a licence key is looked into, never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.cutover.licence import BadLicenceError, read
from components.cutover.outline import Around, Outline, RuleLine
from components.cutover.words import Colour, Edition, other
from components.emqx.base import Cluster
from components.emqx.known import known
from components.emqx.models import Credentials
from components.intent import links_of
from components.migration.check import Report
from components.migration.rules import Clear, Hit
from components.settings import Settings
from components.strategies import STRATEGIES

SAVES = ("DataExport", "Backup")
COPIES = "the configuration and data of each node, before it gets another version"


def around(
    settings: Settings,
    *,
    source: tuple[str, Edition] | None = None,
    advice: Report | None = None,
    licence_limit: int | None = None,
    not_asked: Mapping[Colour, str] | None = None,
) -> Around:
    """The surroundings of a plan; ``source`` is version and edition that nodes of the live colour run, where it is upgraded in place."""
    live = settings.clusters[settings.live]
    old = settings.clusters.get(other(settings.live))
    left = other(settings.live) if old is not None else settings.live
    version, edition = source or ((old.version, old.edition) if old is not None else (live.version, live.edition))
    in_place = STRATEGIES[settings.cutover.strategy].in_place
    saved = tuple(f"{left}: {link.does}" for link in links_of(settings) if link.kind in SAVES)
    return Around(
        strategy=settings.cutover.strategy,
        source=version,
        source_edition=edition,
        target=live.version,
        target_edition=live.edition,
        nodes_before=old.size if old is not None else live.size if in_place else 0,
        nodes_after=live.size,
        soak_seconds=settings.cutover.soak_seconds,
        backup=(*saved, COPIES) if in_place else saved,
        rules=rules(advice),
        acknowledged=settings.cutover.acknowledge,
        licence_limit=licence_limit,
        not_asked={**(not_asked or {})},
    )


def rules(advice: Report | None) -> tuple[RuleLine, ...]:
    """The rules that hit or ask, as the report orders them."""
    return tuple(
        RuleLine(
            id=verdict.rule.id,
            severity=verdict.rule.severity,
            change=verdict.rule.change,
            remedy=verdict.rule.remedy,
            hits=isinstance(verdict.finding, Hit),
            acknowledged=verdict.acknowledged,
        )
        for verdict in (advice.verdicts if advice else ())
        if not isinstance(verdict.finding, Clear)
    )


async def licence_limit(
    settings: Settings, apis: Mapping[Colour, Cluster], credentials: Mapping[str, Credentials]
) -> int | None:
    """The sessions that the live colour's licence allows (0: no limit): as its nodes say, or the key that they will be started with; None: not known."""
    if settings.clusters[settings.live].edition == "ce":
        return 0
    if settings.live in apis:
        facts = await known(apis[settings.live].license())
        return None if facts is None else facts.max_sessions
    key = credentials[settings.live].license
    try:
        return None if key is None else read(key).sessions
    except BadLicenceError:
        return None


def document(outline: Outline) -> dict[str, Any]:
    """The outline as JSON has it, with what is computed from it."""
    found: dict[str, Any] = outline.model_dump(mode="json", by_alias=True)
    found["cost"]["nodeHours"] = outline.cost.node_hours
    found["room"]["free"] = outline.room.free
    return found
