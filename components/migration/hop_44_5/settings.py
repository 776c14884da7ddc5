"""The settings of 4.4's files, of variables and of Enterprise's hot configuration under one roof; the last one of a key counts.

The rule kept here: whoever reads a setting for the result accounts for it in the same call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from components.migration.hop_44_5.hot import HOT, hot
from components.migration.hop_44_5.shipped import AS_SHIPPED, is_shipped
from components.migration.hop_44_5.source import Source
from components.migration.manifest import NOTHING, BadSource, Ledger, shorten
from components.migration.masking import shown
from components.migration.sources.base import Variable

UNSET = "what the zone, the files or the schema have counts, on green too"
ON = frozenset({"on", "true", "yes", "1"})


class Found(NamedTuple):
    """One setting, and its place in the account."""

    section: str
    at: int
    key: str
    value: str
    place: str
    node: str = ""


class Settings:
    """All settings of a source.

    Args:
        ledger: where what is read is accounted.

    """

    def __init__(self, source: Source, ledger: Ledger) -> None:
        """Expect every setting in the ledger, each file as a section."""
        self._ledger = ledger
        self._found: dict[str, list[Found]] = {}
        counts: dict[str, int] = {}
        for setting in source.settings:
            index = counts.get(setting.file, 0)
            counts[setting.file] = index + 1
            self._keep(Found(setting.file, index, setting.key, setting.value, f"line {setting.line}"))
        unknown = list(self._keep_variables(source, counts))
        unset = list(self._keep_hot(source, counts))
        for section, count in counts.items():
            ledger.expect(section, count)
        for index, key in unset:
            self._account_unset(index, key)
        for index, one in unknown:
            self._account_unknown(index, one)

    def _keep_variables(self, source: Source, counts: dict[str, int]) -> Iterator[tuple[int, Variable]]:
        """Variables override the files, and are overridden by the hot configuration; what comes out are those whose value is not known."""
        for one in source.variables:
            index = counts.get(one.file, 0)
            counts[one.file] = index + 1
            if one.setting is None:
                yield index, one
            else:
                self._keep(Found(one.file, index, one.key, one.setting.value, f"line {one.line}"))

    def _account_unknown(self, index: int, one: Variable) -> None:
        """A variable whose value is not known here; what the files say of the same setting does not count any more."""
        self._ledger.dropped(one.file, index, one.key or f"line {one.line}", f"not known here: {one.why}", one.todo)
        for earlier in self._found.pop(one.key, ()):
            why = (
                f"a variable overrides it, and what that one is set to is not known here ({one.file}, line {one.line})"
            )
            self._ledger.dropped(earlier.section, earlier.at, one.key, why, one.todo)

    def _keep_hot(self, source: Source, counts: dict[str, int]) -> Iterator[tuple[int, str]]:
        """The hot configuration overrides files and variables; what comes out are keys that it leaves unset."""
        for index, one in enumerate(hot(source)):
            counts[HOT] = index + 1
            if one.value is None:
                yield index, one.key
            else:
                self._keep(Found(HOT, index, one.key, one.value, one.place, one.node))

    def _account_unset(self, index: int, key: str) -> None:
        """A key without a value says nothing, unless a file has one."""
        if key in self:
            file, place = self.place(key)
            how = f"not set in the hot configuration, while {file}, {place} sets it: the value of the file is on green"
            self._ledger.changed(HOT, index, key, how, "look in blue's dashboard which of the two counts")
        else:
            self._ledger.carried(HOT, index, key, UNSET, "not set")

    def _keep(self, found: Found) -> None:
        self._found.setdefault(found.key, []).append(found)

    def peek(self, key: str, default: str = "") -> str:
        """The value that counts, not accounted."""
        return self._found[key][-1].value if key in self._found else default

    def place(self, key: str) -> tuple[str, str]:
        """File and line of the setting that counts, for a refusal."""
        found = self._found[key][-1]
        return found.section, found.place

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def matching(self, pattern: str) -> Iterator[tuple[Found, re.Match[str]]]:
        """The settings that count whose whole key matches, in the order of their first line."""
        compiled = re.compile(pattern)
        for key, found in self._found.items():
            match = compiled.fullmatch(key)
            if match:
                yield found[-1], match

    def carried(self, key: str, how: str = "as it was", got: object = None) -> str:
        """The value; it is on green, there as ``got`` where it is written otherwise."""
        for found in self._last(key):
            self._ledger.carried(found.section, found.at, key, how, shown(key, found.value if got is None else got))
        return self.peek(key)

    def changed(self, key: str, how: str, todo: str = "") -> str:
        """The value; on green it means something else."""
        for found in self._last(key):
            self._ledger.changed(found.section, found.at, key, how, todo)
        return self.peek(key)

    def dropped(self, key: str, why: str, todo: str) -> None:
        """It is not on green; what 4.4 has by itself is nobody's choice, and green has its own."""
        for found in self._last(key):
            if is_shipped(key, found.value):
                why, todo = f"{why}; {AS_SHIPPED}", NOTHING
            self._ledger.dropped(found.section, found.at, key, why, todo)

    def _last(self, key: str) -> list[Found]:
        """The setting that counts; those before it are accounted at once."""
        all_of_it = self._found.get(key, [])
        for earlier in all_of_it[:-1]:
            if self._ledger.is_open(earlier.section, earlier.at):
                self._ledger.dropped(earlier.section, earlier.at, key, *_overridden(earlier, all_of_it[-1]))
        return all_of_it[-1:]

    def whole(self, key: str) -> int:
        """The value as a whole number, accounted as carried.

        Raises:
            BadSource: it is none; with file and line.

        """
        value = self.carried(key)
        try:
            return int(value)
        except ValueError:
            raise BadSource(*self.place(key), f"{key} is not a whole number", "mend the line") from None

    def open_keys(self) -> Iterator[str]:
        """The keys that nobody has accounted for."""
        for key, found in self._found.items():
            if self._ledger.is_open(found[-1].section, found[-1].at):
                yield key


def _overridden(earlier: Found, counts: Found) -> tuple[str, str]:
    """Why a setting does not count, and what to do."""
    if earlier.node and earlier.node != counts.node and earlier.value != counts.value:
        return f"another node has another value, and that of {shorten(counts.node)} is on green", "set it on that node"
    return "a later setting of the same key counts", NOTHING


def of_zones(settings: Settings, key: str) -> dict[str, str]:
    """What ``key`` is for each zone that a listener is in, by its key; a zone without it, and a listener without zone, take the general one.

    Where no listener is given, for every zone that is mentioned with the key, and ``external``.
    """
    listeners = {found.key for found, _ in settings.matching(r"listener\.(?:tcp|ssl|wss?)\.[\w-]+")}
    zones = {settings.peek(f"{listener}.zone") for listener in listeners}
    if not zones:
        zones = {"external", *(match[1] for _, match in settings.matching(rf"zone\.([\w-]+)\.{key}"))}
    own = {zone: f"zone.{zone}.{key}" for zone in zones}
    keys = {name if name in settings else key for name in own.values()}
    return {name: settings.peek(name) for name in sorted(keys)}


def is_on(value: str) -> bool:
    """``on``, ``true``."""
    return value.strip().lower() in ON
