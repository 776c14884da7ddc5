"""What the rules are decided on: files, an export, an archive, the plan and live answers; a thing that was not given is None, never empty.

That difference is the rule kept here: a detector that lacks its fact asks a person, it does not say "clear".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from components.cutover.routes import Strategy
from components.cutover.versions import Version, leading
from components.cutover.words import Edition
from components.migration import downloads, strict
from components.migration.archive import Archive
from components.migration.configs.flat import Conf
from components.migration.configs.hocon import Hocon
from components.migration.configs.terms import Loaded
from components.migration.kinds import Kind
from components.migration.layers import InEffect, in_effect
from components.migration.manifest import BadSource
from components.migration.sources import registry
from components.migration.sources.base import Document
from components.migration.sources.registry import Environment
from components.migration.words import Credential

LOGINS = frozenset({"auth_clientid", "auth_username", "auth_mnesia", "acl_mnesia"})
"""Built-in users, and their rules."""
SECTIONS = LOGINS | {
    *("rules", "resources", "blacklist", "apps", "users", "schemas", "modules", "configs", "listeners_state")
}
"""What 4.0 to 4.4 export as lists."""
EDITIONS = {"ee": "Enterprise", "ce": "open source"}


@dataclass(frozen=True)
class Plan:
    """The move as it is meant; None where nobody has said, and ``edition_is_known`` false where nobody has said the edition.

    ``steps`` are words: ``backup``, ``import``, ``restart``. ``environment`` are the names of EMQX's variables on the new nodes. ``system``
    is their operating system as ``name version`` in lower case. ``archive_tables`` are the table sets that the export asks for.
    """

    source: Version
    target: Version
    edition_from: Edition = "ee"
    edition_to: Edition = "ee"
    edition_is_known: bool = True
    strategy: Strategy | None = None
    steps: tuple[str, ...] | None = None
    nodes: int | None = None
    licence: bool | None = None
    data_directory: Literal["empty", "used"] | None = None
    credential: Credential | None = None
    caller: Literal["api-key", "token", "command-line"] | None = None
    operator: bool | None = None
    hardened: bool | None = None
    environment: tuple[str, ...] | None = None
    system: str | None = None
    began_before_5_4: bool | None = None


@dataclass(frozen=True)
class Live:
    """What the running clusters answered; None where it was not asked. Counts are of blue unless they say otherwise."""

    connections: int | None = None
    licence_limit: int | None = None
    gateway_connections: int | None = None
    persistent_sessions: int | None = None
    delayed_messages: int | None = None
    retained_messages: int | None = None
    dashboard_users: int | None = None
    schemas: int | None = None
    buffered: int | None = None
    internal_connections: int | None = None
    green_http_auth_has_body: bool | None = None
    green_reindexed: bool | None = None
    node_settings_equal: bool | None = None


@dataclass(frozen=True)
class Text:
    """A text that talks to the cluster: a script, an alert rule, a client's configuration, an ``acl.conf``."""

    file: str
    text: str


@dataclass(frozen=True)
class Export:
    """A 4.x export (``emqx_ctl data export``): its file and its JSON."""

    file: str
    data: Mapping[str, Any]

    def rows(self, section: str) -> list[dict[str, Any]]:
        """The objects of a section; empty when there is none."""
        rows = self.data.get(section)
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


@dataclass(frozen=True)
class Facts:
    """All of it. ``confs`` are 4.x files, ``hocons`` 5.x ones (an archive's ``cluster.hocon`` among them); ``files`` all texts but the export, by name; ``not_read`` is what lies in a directory and only looks as if it counted, in words."""

    plan: Plan
    export: Export | None = None
    confs: tuple[Conf, ...] | None = None
    plugins: tuple[Loaded, ...] | None = None
    acl: tuple[Text, ...] | None = None
    hocons: tuple[Hocon, ...] | None = None
    archive: Archive | None = None
    live: Live = field(default_factory=Live)
    texts: tuple[Text, ...] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    not_read: tuple[str, ...] = ()

    def without_logins(self) -> Facts:
        """The same without built-in users and their rules, which are most of an export and say nothing of settings."""
        if self.export is None:
            return self
        rest = {section: [] if section in LOGINS else rows for section, rows in self.export.data.items()}
        return replace(self, export=replace(self.export, data=rest))

    @cached_property
    def environment(self) -> Environment:
        """What variables set, of all texts that set some; read once for these facts."""
        return registry.read(tuple(Document(text.file, text.text) for text in self.texts or ()))

    @cached_property
    def in_effect(self) -> tuple[InEffect, ...]:
        """What nodes of 5.x run with: each rule about a value asks here, and ``hocons`` only for how files are written."""
        return in_effect(self.hocons or (), self.environment.variables if self.plan.source.major >= 5 else ())

    @property
    def unread(self) -> tuple[str, ...]:
        """Texts of which nothing is read but what they say about the cluster to a rule."""
        included = {name for file in self.hocons or () if file.document for name in file.document.included}
        read = self.environment.has_read
        return tuple(text.file for text in self.texts or () if text.file not in included and not read(text.file))


def read_export(file: str, text: str) -> Export:
    """Read a 4.x export.

    Raises:
        BadSource: truncated, no JSON, no export, or an archive of 5.x under a wrong name.

    """
    again = downloads.AGAIN
    data = downloads.inner(file, strict.parse(file, text, again))
    if not isinstance(data, dict) or not isinstance(data.get("version"), str):
        seen = "no export of EMQX 4.x: it has no version"
        raise BadSource(file, "version", seen, "give the file that `emqx_ctl data export` names")
    for section, rows in data.items():
        if section in SECTIONS and not isinstance(rows, list):
            raise BadSource(file, section, "a section that is no list", again)
        wrong = [at for at, row in enumerate(rows if isinstance(rows, list) else ()) if not isinstance(row, dict)]
        if wrong:
            place = f"{section}[{wrong[0]}]"
            raise BadSource(file, place, "a row that is no object", "export again; the file was edited or damaged")
    return Export(file, data)


def require_declared(export: Export, source: Version) -> None:
    """An export must be of the version that was declared; what its rows look like counts more than what it says.

    Raises:
        BadSource: its ``version`` is of another line, or its rows have the shape of another.

    """
    said = str(export.data["version"])
    found = leading(said)
    if found is None or found.line != source.line:
        raise BadSource(
            export.file,
            "version",
            f"an export of {said[:20]}, declared as {source}",
            f"say --from {said[:20]}, or give the right file",
        )
    for is_wrong, section, seen, remedy in _shapes(export, source):
        if is_wrong:
            raise BadSource(export.file, section, seen, remedy)


def _shapes(export: Export, source: Version) -> Iterator[tuple[bool, str, str, str]]:
    """What the rows of other versions look like: whether it is seen, where, in words, and what to do."""
    users = export.rows("auth_mnesia")
    typed, untyped = any("type" in row for row in users), any("type" not in row for row in users)
    # Enterprise had types and times from 4.2 on; it is known by its modules, which open source never exports.
    # A converted one says auth.mnesia.as, which no EMQX writes into a file: it is what is checked after the conversion.
    has_types = (source.line == (4, 2) and "modules" in export.data) or "auth.mnesia.as" in export.data
    is_old = source < Version(4, 3, 0) and not has_types
    yield (
        typed and untyped,
        "auth_mnesia",
        "rows with and without a credential type",
        "export again; two files were mixed",
    )
    again = "say the version that it was exported from"
    yield typed and is_old, "auth_mnesia", "rows of 4.3 or later (they have a type) in an export that says 4.2", again
    first = "convert 4.2 -> 4.3 first"
    yield untyped and source >= Version(4, 3, 0), "auth_mnesia", "rows from before 4.3 (they have no type)", first
    foreign = {"auth_clientid", "auth_username"} & set(export.data)
    yield source.line == (4, 4) and bool(foreign), "auth_clientid", "sections that ended with 4.2", first
    created = any("created_at" in row for row in (*users, *export.rows("acl_mnesia")))
    yield is_old and created, "acl_mnesia", "rows with created_at, which 4.2 did not write", again
