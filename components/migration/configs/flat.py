"""4.x configuration files line by line: what is not changed comes out byte for byte as it went in.

The format is ``key = value``, the rest of the line being the value (EMQX's own files have ``#`` in values, so a comment is a line of its
own), ``#`` comments, blank lines, ``{{placeholders}}`` that are skipped (emqx/cuttlefish ``conf_parse.peg``), and ``include FILE`` in
Enterprise. The last of several settings of one key is the one that counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from components.migration.manifest import BadSource

MOST_LINES = 100_000
"""The largest file that 4.x shipped has 2,400."""
_SETTING = re.compile(r"^([ \t]*)([A-Za-z0-9_@/:\\-][^\s=#]*)([ \t]*=[ \t]*)(.*)$", re.DOTALL)
_INCLUDE = re.compile(r"^\s*include\s+(\S.*)$")
_PLACEHOLDER = re.compile(r"^\s*\{\{.+\}\}\s*$")
_END = re.compile(r"(\r\n|\n|\r)?\Z")


@dataclass(frozen=True)
class Setting:
    """One ``key = value`` line: ``file`` as the person gave it, ``line`` from 1, key and value without the blanks around them."""

    file: str
    line: int
    key: str
    value: str


@dataclass(frozen=True)
class Row:
    """One line: its text, its line ending, and the setting it holds, if any."""

    number: int
    text: str
    end: str
    setting: Setting | None

    @property
    def is_foreign(self) -> bool:
        """Neither a setting nor a comment, a placeholder nor blank: open source 4.x would not have read it."""
        silent = not self.text.strip() or self.text.lstrip().startswith("#") or _PLACEHOLDER.match(self.text)
        return self.setting is None and not silent

    @property
    def included(self) -> str | None:
        """The file that this line includes; Enterprise keeps listeners, zones, log and more in files of their own."""
        found = _INCLUDE.match(self.text) if self.setting is None else None
        return found[1].rstrip() if found else None

    def rewritten(self, key: str, value: str) -> str:
        """The line with another key and value, its blanks kept; without line ending.

        Raises:
            ValueError: the line holds no setting.

        """
        found = _SETTING.match(self.text)
        if found is None or self.setting is None:
            raise ValueError(f"line {self.number} holds no setting")
        return f"{found[1]}{key}{found[3]}{value}{found[4][len(_bare(found[4])) :]}"


@dataclass(frozen=True)
class Conf:
    """A whole file."""

    file: str
    rows: tuple[Row, ...]

    @property
    def settings(self) -> Iterator[Setting]:
        """Its settings in the order of the lines."""
        return (row.setting for row in self.rows if row.setting is not None)

    def value(self, key: str) -> Setting | None:
        """The setting that counts for a key."""
        return next((setting for setting in reversed(tuple(self.settings)) if setting.key == key), None)

    def __str__(self) -> str:
        return "".join(row.text + row.end for row in self.rows)


def parse(file: str, text: str) -> Conf:
    """Read a 4.x file; ``str()`` of the answer is ``text`` again.

    Raises:
        BadSource: more lines than any node's file has.

    """
    if text.count("\n") > MOST_LINES:
        seen = f"more than {MOST_LINES:,} lines, for a configuration file"
        raise BadSource(file, f"line {MOST_LINES + 1}", seen, "give the node's own file")
    rows = []
    for number, line in enumerate(_lines(text), start=1):
        end = _END.search(line)
        tail = (end[1] if end else None) or ""
        body = line[: len(line) - len(tail)]
        found = None if body.lstrip().startswith("#") else _SETTING.match(body)
        setting = Setting(file, number, found[2], _bare(found[4])) if found else None
        rows.append(Row(number, body, tail, setting))
    return Conf(file, tuple(rows))


def _bare(value: str) -> str:
    """Without the blanks behind it; a pattern would take time with the square of a line's length to find them."""
    return value.rstrip(" \t")


def _lines(text: str) -> list[str]:
    """Lines with their ends; only real line ends divide, not the form feeds and separators of ``splitlines``."""
    return re.findall(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z", text)
