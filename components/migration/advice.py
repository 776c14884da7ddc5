"""The route and the rules for a cutover that the program itself carries out; what it does by itself is not asked of a person."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from components.cutover.routes import Strategy
from components.cutover.versions import parse
from components.cutover.words import Edition
from components.migration.check import Report, check
from components.migration.configs import hocon
from components.migration.facts import Facts, Live, Plan

ARCHIVE_RULES = "BK-"
"""Rules about an archive in a person's hands; DataExport and DataImport keep them (docs/emqx/backup.md)."""


def advise(
    versions: tuple[str, str],
    editions: tuple[Edition, Edition],
    nodes: int,
    acknowledged: Collection[str],
    *,
    effective: str | None,
    live: Live,
    strategy: Strategy = "two-cluster",
    given: Facts | None = None,
) -> Report:
    """What is known of a move before it is made.

    Args:
        versions: of the colour that is left, and of the one that is gone to.
        editions: the same.
        nodes: of the new colour.
        acknowledged: ids of rules that the stack's config answers for.
        effective: the old colour's effective configuration as HOCON, whose values are not in the answer; None where it was not got.
        live: what was counted.
        strategy: how it is made; in one cluster nothing is imported.
        given: what is known of the files of a colour of 4.x; None where nothing is.

    Raises:
        BadSource: the effective configuration cannot be read.
        UnknownRuleError: an acknowledged id that no rule has.

    """
    plan = Plan(
        parse(versions[0]),
        parse(versions[1]),
        *editions,
        strategy=strategy,
        steps=("backup", "import") if strategy == "two-cluster" else ("backup",),
        nodes=nodes,
        data_directory="used" if strategy == "rolling" else "empty",
        caller="api-key",
        operator=False,
        hardened=False,
    )
    hocons = None if effective is None else (hocon.parse("the effective configuration", effective),)
    facts = Facts(plan, hocons=hocons, live=live) if given is None else replace(given, plan=plan, live=live)
    report = check(facts, acknowledged=acknowledged)
    ours = tuple(verdict for verdict in report.verdicts if not verdict.rule.id.startswith(ARCHIVE_RULES))
    return Report(report.facts, report.answer, ours, ())


def lines(report: Report, most: int = 40) -> Sequence[str]:
    """What preview shows of it: the route, what hits, what is asked; at most so many lines."""
    cli_only = ("Losses", "Nothing blocks", f"{len(report.blocking)} block:")
    shown = [line for line in report.text().splitlines() if line and not line.startswith(cli_only)]
    return shown if len(shown) <= most else [*shown[:most], f"  ... {len(shown) - most} more lines"]
