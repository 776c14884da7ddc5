"""What decides on a 4.x besides the built-in rows: ``acl.conf``, ``acl_nomatch``, ``allow_anonymous``, which plugins are on, in which order.

The rule kept here: a value that no given file can have set is said to be missing; the default of the schema is no answer, for the file that
EMQX ships says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

from components.migration.facts import Facts
from components.migration.hop_44_5.aclsource import AclFile, read_file
from components.migration.hop_44_5.authn import anonymous_is_let_in, in_order
from components.migration.hop_44_5.authz import no_match
from components.migration.hop_44_5.plugins import Plugin
from components.migration.hop_44_5.settings import Settings, is_on, of_zones
from components.migration.hop_44_5.source import Source
from components.migration.manifest import BadSource
from components.migration.permissions.before import ANONYMOUS, BUILT_IN, FILE, NO_MATCH
from components.migration.permissions.client import Access
from components.migration.permissions.erlang import TermError
from components.migration.permissions.file_rules import FileRule, compile_file

MAIN_FILE = "emqx.conf"
WORDS: Mapping[str, str] = {
    BUILT_IN: "the export: built-in users and rules",
    FILE: "acl.conf",
    NO_MATCH: "emqx.conf: acl_nomatch",
    ANONYMOUS: "emqx.conf: allow_anonymous",
}
"""What to give, by the name in ``Before.missing``."""


def source_of(facts: Facts) -> Source:
    """The facts as the readers of 4.x take them."""
    return Source(
        export=dict(facts.export.data) if facts.export else None,
        export_name=facts.export.file if facts.export else "export",
        settings=tuple(setting for conf in facts.confs or () for setting in conf.settings),
        files=facts.files,
        kinds=facts.kinds,
        environment=facts.environment,
        not_read=facts.not_read,
    )


class Known(NamedTuple):
    """The fields of ``Before`` that no row has."""

    uses_built_in_users: bool
    allow_anonymous: bool
    file_rules: list[FileRule]
    sources: list[str]
    no_match: Access
    checks_acl: bool
    missing: frozenset[str]

    def fields(self) -> dict[str, Any]:
        """By name."""
        return self._asdict()


@dataclass(frozen=True)
class BuiltIn:
    """The built-in database: whether it is asked for permissions, and whether for passwords."""

    asks_rows: bool
    asks_users: bool


def surroundings(source: Source, settings: Settings, built_in: BuiltIn) -> Known:
    """Read them.

    Raises:
        BadSource: ``acl.conf`` is not what 4.x would read.

    """
    acl_file = read_file(source, settings)
    plugins = [Plugin("mnesia", True)] if built_in.asks_rows else []
    ordered = in_order([*plugins, *([Plugin(FILE, True)] if acl_file.enabled else [])], settings.peek("acl_order"))
    return Known(
        uses_built_in_users=built_in.asks_users,
        allow_anonymous=anonymous_is_let_in(settings),
        file_rules=_compiled(acl_file),
        sources=[BUILT_IN if plugin.name == "mnesia" else FILE for plugin in ordered],
        no_match=no_match(settings),
        checks_acl=is_on(settings.peek("zone.external.enable_acl", "on")),
        missing=frozenset(_missing(source, settings, acl_file, built_in)),
    )


def _compiled(acl_file: AclFile) -> list[FileRule]:
    try:
        return compile_file(acl_file.terms)
    except TermError as error:
        remedy = "mend the line; EMQX itself does not load such a file, so look what it decides by now"
        raise BadSource(acl_file.section, f"line {error.line}", error.seen, remedy) from None


def _missing(source: Source, settings: Settings, acl_file: AclFile, built_in: BuiltIn) -> Iterator[str]:
    if source.export is None and (built_in.asks_rows or built_in.asks_users):
        yield BUILT_IN
    if acl_file.enabled and not acl_file.given:
        yield FILE
    if any(PurePath(file).name == MAIN_FILE for file in (*source.files, *(one.file for one in source.settings))):
        return
    for key in (NO_MATCH, ANONYMOUS):
        if not all(of_zones(settings, key).values()):
            yield key
