"""What a 4.4 cluster gives us: an export, its configuration files, or both; nothing is read here that is not handed in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from components.cutover.versions import leading
from components.migration.kinds import kind_of
from components.migration.manifest import BadSource
from components.migration.sources import registry
from components.migration.sources.base import Document, Variable
from components.migration.sources.registry import Environment

Json = dict[str, Any]


class Setting(Protocol):
    """One ``key = value`` line of a 4.x configuration file."""

    @property
    def file(self) -> str:
        """Its file, as the person gave it."""

    @property
    def line(self) -> int:
        """Its line, from 1."""

    @property
    def key(self) -> str:
        """Its key, as written."""

    @property
    def value(self) -> str:
        """Its value, without the blanks around it."""


@dataclass(frozen=True)
class Source:
    """Everything that is known about the old cluster.

    Args:
        export: the parsed export (``read_export``); None where only files are given.
        export_name: its file name, for messages.
        settings: the settings of ``emqx.conf`` and ``plugins/*.conf``, in file order.
        files: other texts by path: ``acl.conf``, ``loaded_plugins``, ``loaded_modules``, a PSK file.
        kinds: what each of them is, where its name does not say it.
        not_read: what lies beside them and was not read, in words.
        environment: what was read of variables, which override the files; None to read it from ``files``.

    """

    export: Json | None = None
    export_name: str = "export"
    settings: Sequence[Setting] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    environment: Environment | None = None
    not_read: tuple[str, ...] = ()

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """What variables set, in the order in which they count."""
        if self.environment is not None:
            return self.environment.variables
        texts = ((path, text) for path, text in self.files.items() if kind_of(path, text, 4) == "variables")
        return registry.read(tuple(Document(path, text) for path, text in texts)).variables


@dataclass(frozen=True)
class Options:
    """What a person decides.

    Args:
        credential: ``username`` or ``clientid``: the one type of built-in users that 5.x can hold; empty = refuse when there are both.
        jwt_key: ``jwks``, ``public-key`` or ``hmac-based``: the one key source that 5.x can hold; empty = refuse when there are more.
        edition: ``ee`` or ``ce``, of the target.
        now: the present time, unix seconds: it names the archive and decides which bans are over.
        keys_by_archive: whether keys of applications are imported, for which somebody logs in, and not put into a file of the nodes.
        own_key: a key that green has already, of whoever imports; no application may replace it.

    """

    credential: str = ""
    jwt_key: str = ""
    edition: str = "ee"
    now: float = 0.0
    keys_by_archive: bool = False
    own_key: str = ""


SECTIONS_OF_43 = frozenset({"auth_clientid", "auth_username"})


def read_export(name: str, data: bytes, from_version: str) -> Json:
    """Parse an export of 4.4.

    Raises:
        BadSource: not JSON, cut off, not an export, or of another version than ``from_version``.

    """
    try:
        export = json.loads(data)
    except UnicodeDecodeError as error:
        raise BadSource(name, f"byte {error.start}", "it is not UTF-8", "export again: emqx_ctl data export") from error
    except json.JSONDecodeError as error:
        cut = error.pos >= len(data.rstrip()) - 1 or error.msg.startswith("Unterminated string")
        seen = "it ends in the middle (truncated)" if cut else "it is not JSON"
        raise BadSource(
            name, f"line {error.lineno} column {error.colno}", seen, "export again: emqx_ctl data export"
        ) from None
    except RecursionError:
        raise BadSource(
            name, "", "it is nested too deep to be an export", "export again: emqx_ctl data export"
        ) from None
    check_export(name, export, from_version)
    return dict(export)


def check_export(name: str, export: object, from_version: str) -> None:
    """Refuse what is no export of ``from_version``.

    Raises:
        BadSource: not an object, without version, of another version, or with sections of the wrong shape.

    """
    if not isinstance(export, dict):
        raise BadSource(
            name, "", "it is JSON, but not an export (no object)", "give the file that emqx_ctl data export wrote"
        )
    version = export.get("version")
    if not isinstance(version, str):
        raise BadSource(name, "version", "it has no version", "give the file that emqx_ctl data export wrote")
    said = leading(version)
    if said is None or said.line != minor(from_version):
        seen = f"it is an export of {version[:20]!r}, declared as {from_version}"
        raise BadSource(name, "version", seen, f"say --from {version[:20]}, or upgrade to 4.4 first and export there")
    foreign = sorted(SECTIONS_OF_43 & export.keys())
    if foreign:
        seen = f"it says {version} but has the sections {', '.join(foreign)} of 4.2 and older"
        raise BadSource(name, foreign[0], seen, "it was made by an older node: upgrade to 4.4 and export there")
    for section, rows in export.items():
        if section in LIST_SECTIONS and not isinstance(rows, list):
            raise BadSource(name, section, "it is not a list", "export again: emqx_ctl data export")
        for index, row in enumerate(rows if section in LIST_SECTIONS else ()):
            if not isinstance(row, dict):
                raise BadSource(
                    name, f"{section}[{index}]", "it is not an object", "export again: emqx_ctl data export"
                )
            _check_text(name, f"{section}[{index}]", row)
            inner = row.get(OBJECTS.get(section, ""), {})
            if not isinstance(inner, dict) and (section, inner) != ("configs", []):  # Erlang writes no pairs as []
                seen = f"its {OBJECTS[section]} is not an object"
                raise BadSource(name, f"{section}[{index}]", seen, "export again: emqx_ctl data export")


OBJECTS = {"modules": "config", "configs": "confs"}


def _check_text(name: str, place: str, row: Json) -> None:
    """A half of a surrogate pair is JSON, but no text: nothing could write it again."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise BadSource(name, place, "a text in it is not Unicode (half of a surrogate pair)", "mend the row") from None


LIST_SECTIONS = frozenset(
    (
        "rules",
        "resources",
        "blacklist",
        "apps",
        "users",
        "auth_mnesia",
        "acl_mnesia",
        "modules",
        "schemas",
        "configs",
        "listeners_state",
    )
)


def minor(version: str) -> tuple[int, int]:
    """``5.8.11`` as (5, 8).

    Raises:
        BadSource: it is not a version.

    """
    return patch(version)[:2]


def patch(version: str) -> tuple[int, int, int]:
    """``5.8.11`` as (5, 8, 11); without a patch number its newest is meant, 99.

    Raises:
        BadSource: it is not a version.

    """
    said = leading(version)
    if said is None or (said.rest and not said.is_build):
        raise BadSource("--to/--from", version[:20], "it is not a version", "write it as 5.8.11")
    return said.major, said.minor, said.patch or 99
