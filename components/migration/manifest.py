"""The account of a conversion: every item of the source is carried, changed or dropped, and the counts add up to the source.

The rule kept here: an item is named by its place and its name; a value is in it only as `masking.shown` lets it through, so that no secret can
reach a manifest. What a person must read comes first, and what had no effect is folded away.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

LABEL_LENGTH = 80
NOTHING = "nothing"
"""What is to be done about a dropped item that had no effect; any other word means that it had one."""
LISTED_CARRIED = 200  # manifest.md lists so many carried items of a section; manifest.json lists all of them


NO_EXPORT = (
    "no export: users, permissions, bans, applications, rules and resources that are in the cluster's tables are not in the result; "
    "make one with `emqx_ctl data export` and convert again"
)


class BadSource(ValueError):  # noqa: N818 - it names what is bad, as the seams do
    """A source that is refused.

    Args:
        file: the file, as the person gave it.
        place: where in it: ``line 3``, ``auth_mnesia[4]``; empty for the whole file.
        seen: what was seen there, without its value.
        remedy: what the person can do.

    """

    def __init__(self, file: str, place: str, seen: str, remedy: str) -> None:
        """Keep the four parts; the message is made of them."""
        self.file, self.place, self.seen, self.remedy = file, place, seen, remedy
        where = f", {shorten(place)}" if place else ""
        super().__init__(f"{printable(file)}{where}: {printable(seen)}. Remedy: {printable(remedy)}")


class Verdict(StrEnum):
    """What became of an item; the later in this list, the worse."""

    CARRIED = "carried"
    CHANGED = "changed"
    DROPPED = "dropped"


_RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}


class Item(NamedTuple):
    """One item of the source: its section and index there, its name (shortened), what became of it, and the value that green gets, if it is a setting."""

    section: str
    at: int
    label: str
    verdict: Verdict
    how: str
    todo: str
    value: str = ""

    @property
    def had_effect(self) -> bool:
        """False for what is dropped and did nothing in 4.x, or is a shipped default: nobody has to do anything about it."""
        return self.verdict is not Verdict.DROPPED or self.todo != NOTHING


def printable(text: str) -> str:
    """A text in one line, its control characters escaped: a terminal must not obey what an export says."""
    return text if text.isprintable() else json.dumps(text, ensure_ascii=True)[1:-1]


def shorten(name: str) -> str:
    """A name that fits into a line: control characters escaped, and its length said when it is cut."""
    line = printable(name)
    return line if len(line) <= LABEL_LENGTH else f"{line[:LABEL_LENGTH]}... ({len(name)} characters)"


class Account(NamedTuple):
    """All items of a source in their order.

    Args:
        items: one for each item of the source.
        counts: the items that the source has, by section; counted from the source, not from ``items``.
        not_given: what was not given, each with what the result lacks by it.

    """

    items: tuple[Item, ...]
    counts: Mapping[str, int]
    not_given: tuple[str, ...] = ()

    def tally(self) -> dict[str, dict[str, int]]:
        """By section: how many are in the source, carried, changed, dropped."""
        seen = Counter((item.section, item.verdict) for item in self.items)
        return {
            section: {"source": count, **{str(verdict): seen[section, verdict] for verdict in Verdict}}
            for section, count in self.counts.items()
        }

    def losses(self) -> Iterator[Item]:
        """What is not carried as it was and had an effect: a person must have read these."""
        return (item for item in self.items if item.verdict is not Verdict.CARRIED and item.had_effect)

    def without_effect(self) -> int:
        """How many dropped items had none."""
        return sum(not item.had_effect for item in self.items)

    def to_json(self, *, origin: str, target: str) -> str:
        """``manifest.json``: tally and every item, one on a line; without values."""
        return "".join(self.json_pieces(origin=origin, target=target))

    def json_pieces(self, *, origin: str, target: str) -> Iterator[str]:
        """``manifest.json`` in pieces, so that 200,000 items are never one text in memory."""
        head_of = {"from": origin, "to": target, "not_given": self.not_given, "tally": self.tally()}
        head = json.dumps(head_of, indent=1)[:-2]
        yield f'{head},\n "items": [\n  '
        for number, item in enumerate(self.items):
            yield (",\n  " if number else "") + json.dumps(item._asdict())
        yield "\n ]\n}\n"

    def to_markdown(self, *, origin: str, target: str) -> str:
        """``manifest.md``: what was not given, what changes, what was dropped, the tally, what is carried, and folded what had no effect."""
        concerns, dropped = _parted(self.losses())
        idle = [item for item in self.items if not item.had_effect]
        lines = [f"# Conversion {origin} -> {target}", ""]
        if self.not_given:
            lines += [*(f"- Not given: {what}" for what in self.not_given), ""]
        for title, items in (
            ("What changes for devices and people", concerns),
            ("Dropped, though it had an effect", dropped),
        ):
            lines += [f"## {title}", "", *(map(_line, items) if items else ("Nothing.",)), ""]
        lines += [*self._table(), "", "## Carried", "", *self._carried(), ""]
        lines += ["<details>", f"<summary>Dropped, and had no effect: {len(idle)}</summary>", ""]
        return "\n".join([*lines, *map(_line, idle), "", "</details>"]) + "\n"

    def _table(self) -> Iterator[str]:
        yield "| section | source | carried | changed | dropped |"
        yield "|---|---:|---:|---:|---:|"
        for section, row in self.tally().items():
            if row["source"] == 0 and section in TABLES:
                continue
            yield f"| {_cell(section)} | {' | '.join(str(count) for count in row.values())} |"

    def _carried(self) -> Iterator[str]:
        """Names, and of settings each with its value, in a line of its own."""
        for section in self.counts:
            carried = [item for item in self.items if item.section == section and item.verdict is Verdict.CARRIED]
            names = [item.label for item in carried if not item.value]
            if names:
                more = f" and {len(names) - LISTED_CARRIED} more" if len(names) > LISTED_CARRIED else ""
                yield f"- {_cell(section)} ({len(names)}): {_cell(', '.join(names[:LISTED_CARRIED]))}{more}"
            yield from (f"- `{section}[{item.at}]` {_value(item)}: {item.how}" for item in carried if item.value)


PEOPLE = frozenset(
    {
        "built-in users",
        "auth_mnesia",
        "auth_clientid",
        "auth_username",
        "acl_mnesia",
        "users",
        "apps",
        "blacklist",
        "psk",
    }
)
TABLES = PEOPLE | {"modules", "resources", "rules", "rules.actions", "schemas", "listeners_state"}
"""Sections of an export, not files: an empty one needs no row."""
_DOORS = re.compile(r"^(line \d+: )?(auth|listener|acl_|allow_anonymous|zone\.[\w-]+\.(allow|acl|enable_acl|bypass))")


def _parted(losses: Iterable[Item]) -> tuple[list[Item], list[Item]]:
    """What changes for devices and people, and the rest."""
    parts: tuple[list[Item], list[Item]] = ([], [])
    for item in losses:
        parts[item.verdict is Verdict.DROPPED and not _concerns_devices(item)].append(item)
    return parts


def _concerns_devices(item: Item) -> bool:
    """Who may come in, by which door, and what they may do."""
    is_rule = item.section in PEOPLE or item.section.endswith("acl.conf") or item.label.startswith("emqx_auth")
    return is_rule or _DOORS.match(item.label) is not None


def _value(item: Item) -> str:
    return f"{_cell(item.label)} = {_cell(item.value)}" if item.value else _cell(item.label)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _line(item: Item) -> str:
    todo = f" **{item.todo}**" if item.todo else ""
    return f"- `{item.section}[{item.at}]` {_value(item)}: {item.how}.{todo}"


class Ledger:
    """Where the converters write what became of each item; an item that nobody mentions is dropped, and said to be."""

    def __init__(self) -> None:
        """Nothing is expected yet."""
        self._sections: dict[str, list[Item | None]] = {}

    def expect(self, section: str, count: int) -> None:
        """The source has ``count`` items in ``section``."""
        self._sections.setdefault(section, []).extend([None] * count)

    def grow(self, section: str, count: int) -> int:
        """``count`` more items of a section that is found piece by piece; the index of the first of them."""
        first = len(self._sections.get(section, ()))
        self.expect(section, count)
        return first

    def carried(self, section: str, index: int, label: str, how: str = "as it was", value: str = "") -> None:
        """The item is on green with the same meaning; ``value`` as ``masking.shown`` gives it."""
        self._write(Item(section, index, shorten(label), Verdict.CARRIED, how, "", value))

    def changed(self, section: str, index: int, label: str, how: str, todo: str = "") -> None:
        """The item is on green with another meaning: ``how`` says which."""
        self._write(Item(section, index, shorten(label), Verdict.CHANGED, how, todo))

    def dropped(self, section: str, index: int, label: str, why: str, todo: str) -> None:
        """The item is not on green: ``why``, and what a person can do."""
        self._write(Item(section, index, shorten(label), Verdict.DROPPED, why, todo))

    def _write(self, item: Item) -> None:
        """Two converters may know of one item; the worse verdict stands, with the words of both."""
        slots = self._sections[item.section]
        old = slots[item.at]
        if old is not None:
            worse, other = (item, old) if _RANK[item.verdict] >= _RANK[old.verdict] else (old, item)
            words = worse.how if other.verdict is Verdict.CARRIED else f"{worse.how}; {other.how}"
            item = worse._replace(how=words, todo=worse.todo or other.todo, value=worse.value or other.value)
        slots[item.at] = item

    def has(self, section: str) -> bool:
        """Whether the source has such a section."""
        return section in self._sections

    def is_open(self, section: str, index: int) -> bool:
        """Whether nobody has mentioned the item yet."""
        return self._sections[section][index] is None

    def account(self, not_given: Iterable[str] = ()) -> Account:
        """Close the books: what is still open is dropped."""
        items = [
            item
            or Item(
                section,
                index,
                "",
                Verdict.DROPPED,
                "no rule of this conversion knows it",
                "make it anew on green, or report it",
            )
            for section, slots in self._sections.items()
            for index, item in enumerate(slots)
        ]
        counts = {section: len(slots) for section, slots in self._sections.items()}
        return Account(tuple(items), counts, tuple(not_given))
