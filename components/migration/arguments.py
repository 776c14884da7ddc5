"""The command line of ``python -m components.migration``: what may be said, as a plan; what is not said is asked, never assumed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from components.cutover.routes import said_otherwise
from components.cutover.versions import KNOWN, BadVersion, Version, parse
from components.cutover.words import Edition
from components.migration.edition import edition_of
from components.migration.facts import Facts, Live, Plan
from components.migration.manifest import BadSource

CHOICES: Mapping[str, Sequence[str]] = {
    "strategy": ("rolling", "same-cluster", "two-cluster"),
    "data-directory": ("empty", "used"),
    "caller": ("api-key", "token", "command-line"),
    "jwt-key": ("jwks", "public-key", "hmac-based"),
}
YES_NO = ("licence", "operator", "hardened", "began-before-5-4")


def parser() -> argparse.ArgumentParser:
    """The three commands."""
    made = argparse.ArgumentParser(
        prog="python -m components.migration", description="Know before you go: EMQX 4.2 to 6.x."
    )
    commands = made.add_subparsers(dest="command", required=True)
    for name, what in (
        ("check", "route, rules and losses of a move"),
        ("convert", "data and files for the next version"),
        ("prove", "compare who may do what"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        _add_common(command, many="*" if name == "check" else "+")
    _plan_options(commands.choices["check"])
    commands.choices["convert"].add_argument(
        "--out", type=Path, required=True, metavar="DIRECTORY", help="a new or empty directory"
    )
    commands.choices["prove"].add_argument(
        "--strategy", choices=CHOICES["strategy"], help="of 4.3 to 4.4; without it all"
    )
    commands.choices["prove"].add_argument(
        "--topic", action="append", default=[], help="a further topic to ask for; may be repeated"
    )
    return made


def _add_common(command: argparse.ArgumentParser, *, many: str) -> None:
    """What every command takes."""
    command.add_argument(
        "sources",
        nargs=many,
        type=Path,
        metavar="SOURCE",
        help="an export, an archive, a configuration directory or file",
    )
    command.add_argument("--from", dest="origin", required=True, metavar="VERSION")
    command.add_argument("--to", dest="target", required=True, metavar="VERSION")
    command.add_argument(
        "--edition",
        choices=("ee", "ce"),
        help="of the old cluster, and of the new one without --edition-to; read from SOURCE where that says it",
    )
    command.add_argument("--edition-to", choices=("ee", "ce"), help="of the new cluster")
    command.add_argument("--credential", choices=("username", "clientid"), help="what built-in users are")
    command.add_argument("--jwt-key", choices=CHOICES["jwt-key"], help="the one key source of JWT that 5.x holds")


def _plan_options(command: argparse.ArgumentParser) -> None:
    """What a plan says; what is not said is asked."""
    for name in ("strategy", "data-directory", "caller"):
        command.add_argument(f"--{name}", choices=CHOICES[name])
    for name in YES_NO:
        command.add_argument(f"--{name}", choices=("yes", "no"))
    command.add_argument("--nodes", type=int, help="of the new cluster")
    command.add_argument("--system", help="of the new nodes, such as 'ubuntu 22.04'")
    command.add_argument(
        "--step",
        action="append",
        dest="steps",
        help="a step of the plan: backup, export, import, restart; may be repeated",
    )
    command.add_argument("--environment", action="append", help="a variable EMQX_... of the new nodes; may be repeated")
    command.add_argument("--live", type=Path, metavar="FILE", help="JSON with counts of the running clusters")
    command.add_argument(
        "--acknowledge", action="append", default=[], metavar="RULE", help="answer for a rule; may be repeated"
    )
    command.add_argument("--json", action="store_true", help="print JSON")


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan as it was said.

    Raises:
        BadVersion: no version, or one whose first letter is of another edition.

    """
    edition_from = options.edition or letter_of(options.origin)
    edition_to = options.edition_to or options.edition or letter_of(options.target)
    require_letters(options, edition_from, edition_to)
    said = {name: getattr(options, name, None) for name in ("strategy", "data_directory", "caller", "nodes", "system")}
    truths = {name.replace("-", "_"): getattr(options, name.replace("-", "_"), None) for name in YES_NO}
    return Plan(
        source=parse(options.origin),
        target=parse(options.target),
        edition_from=edition_from or UNSAID,
        edition_to=edition_to or UNSAID,
        edition_is_known=bool(edition_from and edition_to),
        credential=options.credential,
        steps=tuple(options.steps) if getattr(options, "steps", None) else None,
        environment=tuple(options.environment) if getattr(options, "environment", None) else None,
        **said,
        **{name: None if value is None else value == "yes" for name, value in truths.items()},
    )


def live_of(file: Path | None) -> Live:
    """Live answers from a file, so that a check needs no socket."""
    if file is None:
        return Live()
    try:
        counts = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise BadSource(str(file), "", "no JSON", 'write an object such as {"connections": 1000}') from None
    names = {field.name for field in fields(Live)}
    if (
        not isinstance(counts, dict)
        or not set(counts) <= names
        or not all(isinstance(value, int) for value in counts.values())
    ):
        raise BadSource(str(file), "", "not an object of known counts", f"use {', '.join(sorted(names))}")
    return Live(**counts)


UNSAID: Edition = "ee"
"""What stands in a plan whose edition is not known; nothing may be decided by it."""


def letter_of(version: str) -> Edition | None:
    """The edition that a version names itself, as ``e4.4.19`` does."""
    return "ee" if version.strip().startswith("e") else None


def require_letters(options: argparse.Namespace, edition_from: Edition | None, edition_to: Edition | None) -> None:
    """No version is of another edition than was said.

    Raises:
        BadVersion: one is.

    """
    for version, edition in ((options.origin, edition_from), (options.target, edition_to)):
        if edition is not None and said_otherwise(version, edition):
            raise BadVersion(said_otherwise(version, edition))


def with_edition(facts: Facts, options: argparse.Namespace) -> Facts:
    """The facts with the editions that their files say, where nobody has said them.

    Raises:
        BadVersion: a version is of another edition than the files say.

    """
    found = options.edition or letter_of(options.origin) or edition_of(facts)
    if found is None or facts.plan.edition_is_known:
        return facts
    target = options.edition_to or letter_of(options.target) or _only_edition(facts.plan.target) or found
    require_letters(options, found, target)
    return replace(facts, plan=replace(facts.plan, edition_from=found, edition_to=target, edition_is_known=True))


def _only_edition(version: Version) -> Edition | None:
    """The one edition that has this release."""
    has: list[Edition] = [one for one in ("ee", "ce") if version <= _newest(version, one)]
    return has[0] if len(has) == 1 else None


def _newest(version: Version, edition: Edition) -> Version:
    return Version(*version.line, KNOWN[edition].get(version.line, -1))


def require_edition(facts: Facts) -> Facts:
    """The facts, of which the edition is known.

    Raises:
        BadSource: nobody has said it, and no file does.

    """
    if not facts.plan.edition_is_known:
        raise BadSource("--edition", "", NOT_KNOWN, "say --edition ee (Enterprise) or --edition ce (open source)")
    return facts


NOT_KNOWN = "which edition this cluster is was not said, and no file that was given tells it"
