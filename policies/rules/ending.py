"""What cannot be undone: a soak before the old colour goes, a backup before data are imported, and losses that are named."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.base import CRITICAL, Rule, Seen, Setting, in_production, items, number, production
from rules.tokens import BLUE_GREEN, CUTOVER

_LOSS = re.compile(r"sessions|way_back|leftovers|stack:[^\s*]+|[0-9A-Z]{2,}-[0-9A-Z]{2,}")
_SAFE = ("DataExport", "Backup")
_NEEDS = ("DataImport", "NodeUpgrade", "Leave")


def _soak(seen: Seen) -> Iterator[str]:
    least = number(seen.settings["leastSeconds"])
    if in_production(seen) and not seen.props["in_place"] and number(seen.props["soak_seconds"]) < least:
        yield (
            f"the old colour may go {number(seen.props['soak_seconds']):g} s after its drain, at least {least:g} in production"
            " (emqx:cutover.soakSeconds)"
        )


def _backup(seen: Seen) -> Iterator[str]:
    safe = False
    for kind in items(seen.props["links"]):
        safe = safe or kind in _SAFE
        if kind in _NEEDS and not safe:
            yield f"{kind} comes with neither of {' and '.join(_SAFE)} before it (emqx:cutover.strategy)"


def _named(seen: Seen) -> Iterator[str]:
    allowed = items(seen.settings["allowed"])
    for loss in items(seen.props.get("acknowledge", ())):
        if not isinstance(loss, str) or not _LOSS.fullmatch(loss):
            yield f"{str(loss)[:40]!r} names no single loss or rule (emqx:cutover.acknowledge)"
        elif allowed and loss not in allowed:
            yield f"{loss} is none of the losses that may be acknowledged: {', '.join(map(str, allowed))} (emqx:cutover.acknowledge)"


RULES = (
    Rule(
        "soak-before-finalize",
        "In production the old colour stays for a while after its drain.",
        {BLUE_GREEN},
        _soak,
        "Raise emqx:cutover.soakSeconds.",
        settings={
            **production(),
            "leastSeconds": Setting("The shortest soak.", {"type": "number", "minimum": 0}, 3600),
        },
    ),
    Rule(
        "backup-before-import",
        "Nothing is imported, restarted or taken away before the data are saved.",
        {BLUE_GREEN},
        _backup,
        "Use a strategy that exports or backs up first; all of ours do.",
        CRITICAL,
    ),
    Rule(
        "losses-by-name",
        "What will be lost is acknowledged one by one, by name.",
        {CUTOVER},
        _named,
        "Write what `pulumi preview` names: emqx:cutover.acknowledge: [sessions, 59-01].",
        settings={
            "allowed": Setting(
                "The losses and rules that may be acknowledged at all; an empty list allows each by its name.",
                {"type": "array", "items": {"type": "string"}},
                [],
            )
        },
    ),
)
