"""Where ``acl.conf`` comes from, how it is converted, and what became of each of its rules.

The rule kept here: a file that 4.4 used and that is not given may have denied, so it is said to be missing, never taken as empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from components.migration.hop_44_5.acl import Acl
from components.migration.hop_44_5.aclfile import ALL, FileConversion, convert_file
from components.migration.hop_44_5.backends import ACL_DATA, TOKENS
from components.migration.hop_44_5.plugins import MODULES, find_file, is_loaded, module
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.source import Source
from components.migration.manifest import BadSource, Ledger
from components.migration.permissions.erlang import Placed, TermError, parse

ACL = "acl.conf"


@dataclass(frozen=True)
class AclFile:
    """``acl.conf``: where it is from, its terms, whether 4.4 used it, and whether it is given, and as which file; one without terms decides nothing."""

    section: str
    terms: tuple[Placed, ...]
    enabled: bool
    module: int | None = None
    given: bool = True
    path: str = ""

    def last_all(self) -> int:
        """The index of the first {allow, all} or {deny, all}."""
        return next(at for at, (_, term) in enumerate(self.terms) if isinstance(term, tuple) and term[1:] == (ALL,))


def read_file(source: Source, settings: Settings) -> AclFile:
    """``acl.conf`` of the module internal_acl, or the file that ``acl_file`` names.

    Raises:
        BadSource: it is not what 4.4 would read; with file and line.

    """
    found = module(source, "internal_acl")
    if found is not None:
        return _of_module(source, *found)
    enabled = is_loaded(source, "loaded_modules", "emqx_mod_acl_internal") is not False
    wanted = PurePath(settings.peek("acl_file", ACL)).name
    given = find_file(source, wanted) or _only_other(source, wanted)
    if given is None:
        return AclFile(wanted, (), enabled and "modules" not in (source.export or {}), given=False)
    return AclFile(given[0], _terms(*given), enabled, path=given[0])


def _only_other(source: Source, wanted: str) -> tuple[str, str] | None:
    """Rules under a third name, where there are no others; an ``acl.conf`` is not what 4.4 asked when ``acl_file`` names another file."""
    rules = [(path, text) for path, text in source.files.items() if source.kinds.get(path) == ACL]
    others = [one for one in rules if wanted == ACL or PurePath(one[0]).name != ACL]
    return others[0] if len(others) == 1 else None


def _of_module(source: Source, at: int, config: Mapping[str, Any], enabled: bool) -> AclFile:
    """The text in the export, or, of an older Enterprise, the path of a file that may be given beside it."""
    content = config.get("acl_rule_file")
    if isinstance(content, str):
        given = find_file(source, PurePath(content).name) or find_file(source, "acl.conf")
        return (
            AclFile(given[0], _terms(*given), enabled, at, path=given[0])
            if given
            else AclFile("acl.conf", (), enabled, at, given=False)
        )
    text = content.get("file", "") if isinstance(content, dict) else ""
    if not isinstance(text, str):
        raise BadSource(source.export_name, f"modules[{at}]", "its acl.conf is no text", "export again")
    terms = _terms(f"{source.export_name}, modules[{at}] acl.conf", text)
    return AclFile("acl.conf", terms, enabled, at, given=isinstance(content, dict))


def _terms(file: str, text: str) -> tuple[Placed, ...]:
    try:
        return tuple(parse(text))
    except TermError as error:
        remedy = "mend the line; 4.4 itself does not load such a file, so look what it decides by now"
        raise BadSource(file, f"line {error.line}", error.seen, remedy) from None


def convert_acl_file(acl_file: AclFile, acl: Acl, *, loose: bool) -> FileConversion:
    """Its rules in 5.x's words.

    Raises:
        BadSource: a rule that 4.4 does not know, or a deny that 5.x cannot say; with file and line.

    """
    topics = {rule["topic"].removeprefix("eq ").split("/")[0] for rules in acl.rules.values() for rule in rules}
    roots = [root for root in topics if root.startswith("$") and "${" not in root]
    try:
        return convert_file(acl_file.terms, roots, loose=loose)
    except TermError as error:
        remedy = "mend the line; 4.4 itself does not load such a file, so look what it decides by now"
        raise BadSource(acl_file.section, f"line {error.line}", error.seen, remedy) from None


def account_file(ledger: Ledger, acl_file: AclFile, file: FileConversion, stopped: str) -> None:
    """Each of its rules; ``stopped`` is why sources behind one of them are off, or empty."""
    ledger.expect(acl_file.section, len(acl_file.terms))
    if acl_file.module is not None and acl_file.given:
        ledger.carried(
            MODULES, acl_file.module, "internal_acl", "as the source file" if acl_file.enabled else "off as it was"
        )
    elif acl_file.module is not None:
        why = "the export has the path of its file only: until the file is given, the rest is denied"
        ledger.dropped(MODULES, acl_file.module, "internal_acl", why, "give etc/acl.conf of a node too")
    for at, (line, _) in enumerate(acl_file.terms):
        label = f"rule in line {line}"
        if not acl_file.enabled:
            ledger.carried(acl_file.section, at, label, "off as it was")
        elif at in file.dropped:
            ledger.dropped(acl_file.section, at, label, file.dropped[at], "nothing, or write it by hand")
        elif at in file.notes or stopped in (ACL_DATA, TOKENS):
            ledger.changed(
                acl_file.section,
                at,
                label,
                "; ".join(file.notes.get(at, [stopped])),
                "look whether this is what you want",
            )
        else:
            ledger.carried(acl_file.section, at, label)


def account_unused(source: Source, ledger: Ledger, used: AclFile) -> None:
    """Other files of this kind that are given: 4.4 did not ask them."""
    for path, text in source.files.items():
        is_acl = source.kinds.get(path) == ACL or re.fullmatch(r"acl.*\.conf", PurePath(path).name)
        if path == used.path or not is_acl:
            continue
        terms = _terms(path, text)
        first = ledger.grow(path, len(terms))
        for at, (line, _) in enumerate(terms, start=first):
            why = "4.4 asked another file, or the one in the export"
            ledger.dropped(path, at, f"rule in line {line}", why, "nothing, if that is so")
