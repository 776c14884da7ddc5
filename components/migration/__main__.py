"""``python -m components.migration check|convert|prove``: the edge where files are read and written; status 0, 1 (blocks), 2 (bad input).

No traceback and no secret leaves here: what goes wrong is one line with file, place and remedy.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

from components.cutover.routes import RefusedRoute, route, said_otherwise
from components.cutover.versions import BadVersion, parse
from components.migration import hop_44_5
from components.migration.check import check
from components.migration.detectors.set_by import overrides
from components.migration.facts import Facts, Live, Plan
from components.migration.hop_42_43.convert import convert as convert_42
from components.migration.loading import load, require_all_read
from components.migration.manifest import Account, BadSource
from components.migration.prove import prove
from components.migration.requests import pieces
from components.migration.rules import UnknownRuleError
from components.migration.surroundings import source_of

OK, BLOCKED, BAD = 0, 1, 2
CHOICES: Mapping[str, Sequence[str]] = {
    "strategy": ("rolling", "same-cluster", "two-cluster"),
    "data-directory": ("empty", "used"),
    "caller": ("api-key", "token", "command-line"),
    "jwt-key": ("jwks", "public-key", "hmac-based"),
}
YES_NO = ("licence", "operator", "hardened", "began-before-5-4")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int({"check": _check, "convert": _convert, "prove": _prove}[options.command](options))
    except (BadSource, BadVersion, UnknownRuleError) as error:
        print(f"refused: {error}", file=sys.stderr)  # noqa: T201 - this is the command's answer
    except OSError as error:
        print(f"refused: {error.filename}: {error.strerror}", file=sys.stderr)  # noqa: T201 - as above
    except Exception as error:  # noqa: BLE001 - a fault of ours: one line for the person on call, without values
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        print(f"refused: a fault in this program, {type(error).__name__} at {place}; report it", file=sys.stderr)  # noqa: T201 - as above
    return BAD


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m components.migration", description="Know before you go: EMQX 4.2 to 6.x."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("check", "route, rules and losses of a move"),
        ("convert", "data and files for the next version"),
        ("prove", "compare who may do what"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument(
            "sources",
            nargs="*" if name == "check" else "+",
            type=Path,
            metavar="SOURCE",
            help="an export, an archive, a configuration directory or file",
        )
        command.add_argument("--from", dest="origin", required=True, metavar="VERSION")
        command.add_argument("--to", dest="target", required=True, metavar="VERSION")
        command.add_argument(
            "--edition",
            choices=("ee", "ce"),
            default="ee",
            help="of the old cluster, and of the new one without --edition-to",
        )
        command.add_argument("--edition-to", choices=("ee", "ce"))
        command.add_argument("--credential", choices=("username", "clientid"), help="what built-in users are")
    _plan_options(commands.choices["check"])
    commands.choices["convert"].add_argument(
        "--out", type=Path, required=True, metavar="DIRECTORY", help="a new or empty directory"
    )
    commands.choices["prove"].add_argument(
        "--topic", action="append", default=[], help="a further topic to ask for; may be repeated"
    )
    for name in ("check", "convert", "prove"):
        commands.choices[name].add_argument(
            "--jwt-key", choices=CHOICES["jwt-key"], help="the one key source of JWT that 5.x holds"
        )
    return parser


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


def _plan(options: argparse.Namespace) -> Plan:
    """The plan as it was said.

    Raises:
        BadVersion: no version, or one whose first letter is of another edition.

    """
    edition_to = options.edition_to or options.edition
    for version, edition in ((options.origin, options.edition), (options.target, edition_to)):
        if said_otherwise(version, edition):
            raise BadVersion(said_otherwise(version, edition))
    said = {name: getattr(options, name, None) for name in ("strategy", "data_directory", "caller", "nodes", "system")}
    truths = {name.replace("-", "_"): getattr(options, name.replace("-", "_"), None) for name in YES_NO}
    return Plan(
        source=parse(options.origin),
        target=parse(options.target),
        edition_from=options.edition,
        edition_to=edition_to,
        credential=options.credential,
        steps=tuple(options.steps) if getattr(options, "steps", None) else None,
        environment=tuple(options.environment) if getattr(options, "environment", None) else None,
        **said,
        **{name: None if value is None else value == "yes" for name, value in truths.items()},
    )


def _live(file: Path | None) -> Live:
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


def _facts(options: argparse.Namespace) -> Facts:
    facts = load(_plan(options), tuple(options.sources))
    return replace(facts, live=_live(getattr(options, "live", None)))


def _check(options: argparse.Namespace) -> int:
    facts = _facts(options)
    account, refusal = None, ""
    try:
        account = _account(facts, options)
    except BadSource as error:
        refusal = str(error)
    report = check(facts, acknowledged=options.acknowledge, account=account, refusal=refusal)
    sys.stdout.write(report.to_json() + "\n" if options.json else report.text())
    return BLOCKED if report.blocking else OK


def _account(facts: Facts, options: argparse.Namespace) -> Account | None:
    """What the conversion of the first hop would do; None where there is none to make."""
    if not (facts.export or facts.confs or facts.acl or any(True for _ in overrides(facts))):
        return None
    if facts.plan.source.line in {(4, 0), (4, 1), (4, 2)}:
        return convert_42(facts).account
    if facts.plan.source.line == (4, 4) and facts.plan.target.major > 4:
        return _to_5(facts, options).account
    return None


def _to_5(facts: Facts, options: argparse.Namespace) -> hop_44_5.Conversion:
    return hop_44_5.convert(source_of(facts), str(facts.plan.source), str(facts.plan.target), _options(facts, options))


def _options(facts: Facts, options: argparse.Namespace) -> hop_44_5.Options:
    return hop_44_5.Options(
        credential=options.credential or "",
        jwt_key=options.jwt_key or "",
        edition=facts.plan.edition_to,
        now=datetime.now(UTC).timestamp(),
    )


def _convert(options: argparse.Namespace) -> int:
    facts = require_all_read(_facts(options))
    plan = facts.plan
    answer = route(str(plan.source), str(plan.target), plan.edition_from, plan.edition_to)
    if isinstance(answer, RefusedRoute):
        raise BadSource("--from/--to", "", answer.reason, "convert one hop of the path at a time")
    if plan.source < parse("4.3.0"):
        result = convert_42(facts)
        origin, target = str(plan.source), str(plan.target)
        texts = {_below(options.sources, name): text.encode() for name, text in result.texts.items()}
        written: Mapping[str, Iterable[bytes]] = {
            **{name: (text,) for name, text in texts.items()},
            "manifest.json": (piece.encode() for piece in result.account.json_pieces(origin=origin, target=target)),
            "manifest.md": (result.account.to_markdown(origin=origin, target=target).encode(),),
            "steps.md": ("".join(f"1. {step}\n" for step in result.steps).encode(),),
            **({"requests.json": pieces(result.requests)} if result.requests else {}),
        }
        if len(texts) != len(result.texts):
            raise BadSource("SOURCE", "", "two files of one name", "give the directory that holds both")
        account = result.account
    elif plan.source.line == (4, 4):
        conversion = _to_5(facts, options)
        written, account = conversion.pieces(), conversion.account
    else:
        raise BadSource(
            "--from",
            str(plan.source),
            "nothing to convert: this version's data is taken as it is",
            "check it, then export and import",
        )
    _write(options.out, written)
    tally = account.tally().values()
    counts = ", ".join(f"{sum(row[name] for row in tally)} {name}" for name in ("carried", "changed", "dropped"))
    idle = f" ({account.without_effect()} of them had no effect)" if account.without_effect() else ""
    lines = (f"not given: {what}" for what in account.not_given)
    tail = f"{counts}{idle} of {sum(account.counts.values())} items: read manifest.md"
    sys.stdout.write("".join(f"{line}\n" for line in (*lines, f"{len(written)} files in {options.out}; {tail}")))
    return OK


def _below(sources: Sequence[Path], name: str) -> str:
    """Where a file is written: as it lay in its directory, or by its name."""
    path = Path(name)
    base = next((source for source in sources if source.is_dir() and path.is_relative_to(source)), path.parent)
    return str(path.relative_to(base))


def _write(directory: Path, files: Mapping[str, Iterable[bytes]]) -> None:
    """Write into a directory of its own, readable by its owner only: passwords and hashes are among it."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadSource(
            str(directory), "", "not an empty directory", "name one that does not exist yet; nothing is overwritten"
        )
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(content)


def _prove(options: argparse.Namespace) -> int:
    facts = require_all_read(_facts(options))
    if facts.plan.source.line != (4, 4):
        raise BadSource(
            "--from",
            str(facts.plan.source),
            "only the permissions of 4.4 can be held against those of 5.x",
            "convert to 4.4 first",
        )
    proof = prove(
        source_of(facts),
        str(facts.plan.source),
        str(facts.plan.target),
        topics=options.topic,
        options=_options(facts, options),
    )
    sys.stdout.write(f"{proof}\n")
    return BLOCKED if proof.widened else OK


if __name__ == "__main__":
    sys.exit(main())
