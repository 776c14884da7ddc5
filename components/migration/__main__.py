"""``python -m components.migration check|convert|prove``: the edge where files are read and written; status 0, 1 (blocks, or not proven), 2 (bad input).

No traceback and no secret leaves here: what goes wrong is one line with file, place and remedy.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from components.cutover.routes import RefusedRoute, route
from components.cutover.versions import BadVersion, parse
from components.cutover.words import Edition
from components.migration import hop_44_5
from components.migration.arguments import live_of, plan_of, require_edition, with_edition
from components.migration.arguments import parser as _parser
from components.migration.check import check
from components.migration.detectors.set_by import overrides
from components.migration.facts import EDITIONS, Facts
from components.migration.hop_42_43.convert import convert as convert_42
from components.migration.loading import load, require_all_read
from components.migration.manifest import NOTHING, Account, BadSource
from components.migration.prove import prove
from components.migration.prove_4x import prove_4x
from components.migration.requests import pieces
from components.migration.rules import UnknownRuleError
from components.migration.surroundings import source_of

OK, BLOCKED, BAD = 0, 1, 2
MOST_ASKED = 20
"""Variables that are printed as not known; the manifest has them all."""


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


def _facts(options: argparse.Namespace) -> Facts:
    facts = with_edition(load(plan_of(options), tuple(options.sources)), options)
    return replace(facts, live=live_of(getattr(options, "live", None)))


def _wanted(options: argparse.Namespace, *, proves: bool = False) -> Facts:
    """Facts of which all is understood, for a pair of versions between which data can go.

    Raises:
        BadSource: the edition is not known, a file is not read, or there is no such hop; the same for every command that converts.

    """
    facts = require_all_read(_facts(options))
    plan = facts.plan
    ends: Iterable[tuple[Edition, Edition]] = ((plan.edition_from, plan.edition_to),)
    if not plan.edition_is_known:
        ends = (("ee", "ee"), ("ce", "ce"), ("ce", "ee"))
    answers = [route(str(plan.source), str(plan.target), *editions) for editions in ends]
    if all(isinstance(answer, RefusedRoute) for answer in answers):
        reason = next(answer.reason for answer in answers if isinstance(answer, RefusedRoute))
        raise BadSource("--from/--to", "", reason, "convert one hop of the path at a time")
    is_kept = (
        plan.source.line == (4, 3) and proves
    )  # its rules are not converted, but an import gives them another order
    if plan.source >= parse("4.3.0") and plan.source.line != (4, 4) and not is_kept:
        seen = "nothing to convert: this version's data is taken as it is"
        raise BadSource("--from", str(plan.source), seen, "check it, then export and import")
    return require_edition(facts)


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
    facts = _wanted(options)
    plan = facts.plan
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
    else:
        conversion = _to_5(facts, options)
        written, account = conversion.pieces(), conversion.account
    _write(options.out, written)
    tally = account.tally().values()
    counts = ", ".join(f"{sum(row[name] for row in tally)} {name}" for name in ("carried", "changed", "dropped"))
    idle = f" ({account.without_effect()} of them had no effect)" if account.without_effect() else ""
    asked = [one for one in facts.environment.variables if one.value is None and one.todo != NOTHING]
    unknown = (f"not known: {one.name or 'a line'} ({one.file}, line {one.line}): {one.why}" for one in asked)
    lines = (*(f"not given: {what}" for what in account.not_given), *islice(unknown, MOST_ASKED))
    tail = f"{counts}{idle} of {sum(account.counts.values())} items, for {EDITIONS[plan.edition_to]}: read manifest.md"
    sys.stdout.write("".join(f"{line}\n" for line in (*lines, f"{len(written)} files in {options.out}; {tail}")))
    return BLOCKED if asked else OK


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
    facts = _wanted(options, proves=True)
    plan = facts.plan
    if plan.target < parse("5.0.0"):
        proof = prove_4x(facts, options.topic)
    else:
        said = _options(facts, options)
        proof = prove(source_of(facts), str(plan.source), str(plan.target), topics=options.topic, options=said)
    sys.stdout.write(f"{proof}\n")
    return OK if proof.holds else BLOCKED


if __name__ == "__main__":
    sys.exit(main())
