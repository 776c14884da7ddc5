"""What a cluster holds, section by section, as keys and digests: equal inventories are the proof that data arrived.

Rule: never a secret, never a payload, and what cannot be listed is ``Unlisted`` with its reason, never zero
(docs/emqx/inventory.md#what-cannot-be-listed).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

CLIENT_WRITTEN: frozenset[str] = frozenset({"retained", "banned", "delayed"})
"""Clients and the broker itself write these while devices are on a cluster; an extra item there is told, not refused."""

SLACK_SECONDS = 5.0
"""An item that ends by itself may be gone this much before its time: clocks of two clusters differ."""

ANY = -1
"""In the place of a digest: the item must be there, and its content is proven otherwise (a conversion gives it another shape)."""

Kind = Literal["missing", "extra", "changed", "order", "unlisted"]

_SECRET_WORDS = ("password", "secret", "token", "credential", "private", "headers", "authorization", "jwt", "apikey")
_VOLATILE = frozenset(
    {
        "status",
        "status_reason",
        "node_status",
        "error",
        "created_at",
        "last_modified_at",
        "metrics",
        "node_metrics",
        "metadata",
    }
)


def digest(content: Any) -> int:
    """48 bits over the content without secrets and without what changes by itself; equal content, equal digest."""
    text = json.dumps(_plain(content), sort_keys=True, separators=(",", ":"), default=str)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")


def _plain(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _plain(value) for key, value in content.items() if key not in _VOLATILE and not _is_secret(key)}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return content


def _is_secret(key: object) -> bool:
    return any(word in str(key).lower().replace("_", "") for word in _SECRET_WORDS)


@dataclass(frozen=True)
class Section:
    """One section.

    ``items`` maps a key to the digest of its content, in the cluster's own order where ``ordered``; ``optional`` are
    keys that may be there or not, and with any content (they changed while we looked); ``until`` is when an item ends
    by itself, in unix seconds.
    """

    items: Mapping[str, int] = field(default_factory=dict)
    ordered: bool = False
    optional: frozenset[str] = frozenset()
    until: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Unlisted:
    """A section that this cluster cannot list."""

    reason: str


@dataclass(frozen=True)
class Difference:
    """One thing that is not as expected, as words for the report; ``expected`` and ``found`` are keys or counts."""

    section: str
    kind: Kind
    expected: str
    found: str
    detail: str = ""

    def __str__(self) -> str:
        """One line."""
        more = f" ({self.detail})" if self.detail else ""
        return f"{self.section}: expected {self.expected}, found {self.found}{more}"


@dataclass(frozen=True)
class Inventory:
    """All sections by name."""

    sections: Mapping[str, Section | Unlisted]

    def counts(self) -> dict[str, int | None]:
        """Items per section; None where it cannot be listed."""
        return {n: None if isinstance(s, Unlisted) else len(s.items) for n, s in self.sections.items()}

    def unlisted(self) -> dict[str, str]:
        """The sections that cannot be listed, with the reason."""
        return {name: s.reason for name, s in self.sections.items() if isinstance(s, Unlisted)}

    def to_json(self) -> dict[str, Any]:
        """Plain data that ``from_json`` reads again."""
        return {name: _section_to_json(section) for name, section in self.sections.items()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Inventory:
        """Read what ``to_json`` wrote; ValueError when it is something else."""
        try:
            return Inventory({str(name): _section_from_json(section) for name, section in data.items()})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no inventory: {type(error).__name__}") from None


def _section_to_json(section: Section | Unlisted) -> dict[str, Any]:
    if isinstance(section, Unlisted):
        return {"unlisted": section.reason}
    return {
        "ordered": section.ordered,
        "items": [[key, value] for key, value in section.items.items()],
        "optional": sorted(section.optional),
        "until": dict(section.until),
    }


def _section_from_json(data: Mapping[str, Any]) -> Section | Unlisted:
    if "unlisted" in data:
        return Unlisted(str(data["unlisted"]))
    return Section(
        items={str(key): int(value) for key, value in data["items"]},
        ordered=bool(data["ordered"]),
        optional=frozenset(map(str, data["optional"])),
        until={str(key): float(value) for key, value in data["until"].items()},
    )


def compare(expected: Inventory, found: Inventory, now: float) -> list[Difference]:
    """All that differs, section by section; ``now`` in unix seconds forgives what has ended by itself since."""
    names = [*expected.sections, *(name for name in found.sections if name not in expected.sections)]
    missing = Unlisted("not looked at")
    return [
        difference
        for name in names
        for difference in _compare_section(
            name, expected.sections.get(name, missing), found.sections.get(name, missing), now
        )
    ]


def _compare_section(
    name: str, expected: Section | Unlisted, found: Section | Unlisted, now: float
) -> Iterator[Difference]:
    if isinstance(expected, Unlisted):
        return  # said by ``unlisted()``: what blue cannot list cannot be expected
    if isinstance(found, Unlisted):
        if expected.items:
            yield Difference(name, "unlisted", f"{len(expected.items)} items", "no list", found.reason)
        return
    ended = {key for section in (expected, found) for key, end in section.until.items() if end <= now + SLACK_SECONDS}
    loose = expected.optional | ended
    gone = [key for key in expected.items if key not in found.items and key not in loose]
    more = [key for key in found.items if key not in expected.items and key not in loose]
    other = [key for key, value in expected.items.items() if _differs(value, found.items.get(key)) and key not in loose]
    if gone:
        yield Difference(name, "missing", some(gone), "none of these", _of(gone, expected.items))
    if more:
        yield Difference(name, "extra", "none of these", some(more), _of(more, found.items))
    if other:
        yield Difference(name, "changed", some(other), "the same keys with other content", _of(other, expected.items))
    if expected.ordered and not gone and not more and list(expected.items) != list(found.items):
        yield Difference(name, "order", " > ".join(expected.items), " > ".join(found.items), "the order decides here")


def _differs(one: int, other: int | None) -> bool:
    """Whether two contents are known to be others; what is not there has none."""
    return other is not None and ANY not in (one, other) and one != other


def _of(part: list[str], whole: Mapping[str, int]) -> str:
    return f"{len(part)} of {len(whole)}"


def some(keys: Iterable[str], most: int = 5) -> str:
    """At most ``most`` keys, each at most 60 characters, and how many more there are."""
    listed = list(keys)
    shown = ", ".join(key if len(key) <= 60 else key[:57] + "..." for key in listed[:most])
    return shown + (f" and {len(listed) - most} more" if len(listed) > most else "")


def blocking(differences: Iterable[Difference]) -> list[Difference]:
    """The differences that mean green is not what blue is; extra items that clients wrote are not among them."""
    return [d for d in differences if not (d.kind == "extra" and d.section in CLIENT_WRITTEN)]


def written_since(before: Inventory, now: Inventory) -> list[Difference]:
    """What was added or changed since, section by section: the way back leaves it behind, so it is listed."""
    found: list[Difference] = []
    for name, section in now.sections.items():
        old = before.sections.get(name)
        if isinstance(section, Unlisted) or not isinstance(old, Section):
            continue
        added = [key for key in section.items if key not in old.items]
        changed = [key for key, value in section.items.items() if _differs(value, old.items.get(key))]
        if added:
            found.append(Difference(name, "extra", "none of these", some(added), f"{len(added)} added"))
        if changed:
            found.append(Difference(name, "changed", some(changed), "other content", f"{len(changed)} changed"))
    return found


def settled(before: Inventory, after: Inventory) -> Inventory:
    """The second look, where what differs from the first look is optional: it was being written while we exported."""
    return Inventory({name: _settled(before.sections.get(name), now) for name, now in after.sections.items()})


def while_clients_write(expected: Inventory) -> Inventory:
    """What can be expected of a colour on which clients already work: what they write may be there or not."""
    return Inventory(
        {
            name: replace(section, optional=frozenset(section.items))
            if name in CLIENT_WRITTEN and isinstance(section, Section)
            else section
            for name, section in expected.sections.items()
        }
    )


def _settled(before: Section | Unlisted | None, after: Section | Unlisted) -> Section | Unlisted:
    if isinstance(after, Unlisted) or not isinstance(before, Section):
        return after
    keys = before.items.keys() | after.items.keys()
    moved = frozenset(key for key in keys if before.items.get(key) != after.items.get(key))
    return Section(items=after.items, ordered=after.ordered, optional=after.optional | moved, until=after.until)
