"""What a name or a topic of 4.4 must not become: syntax of 5.x."""

from __future__ import annotations

import re
from collections.abc import Container

from components.migration.permissions.topics import words

DELAYED_ALLOW = "5.x asks for the topic behind $delayed/N/, so this rule allows nothing: that topic must be allowed"
DELAYED_DENY = "5.x asks for the topic behind $delayed/N/: it denies that one, without a delay too"
DELAYED_OFF = (
    "5.x asks for the topic behind $delayed/N/ and cannot deny the delay: delayed publish is off on green in its place"
)
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,200}")  # what 5.x takes as the name of a rule, connector or action


def is_syntax(topic: str) -> bool:
    """Whether 5.x would read a plain topic as a template or as ``eq``."""
    return "${" in topic or topic.startswith("eq ")


def widened(topic: str) -> str | None:
    """A filter for at least the same topics, without what 5.x would read as syntax; None where a leading ``$`` forbids it."""
    parts = words(topic)
    if parts[0].startswith("${"):
        return None
    first = "+" if parts[0].startswith("eq ") or "${" in parts[0] else parts[0]
    return "/".join((first, *("+" if "${" in part else part for part in parts[1:])))


def component_name(name: str, prefix: str, taken: Container[str]) -> str:
    """A name for 5.x that is not taken: letters, digits, ``-`` and ``_``; equal where it could be."""
    plain = name.removeprefix(prefix)
    clean = re.sub(r"[^0-9A-Za-z_-]", "_", plain)[:200]
    clean = clean if _ID.fullmatch(clean) else f"x{clean}"
    number, found = 1, clean
    while found in taken:
        number += 1
        found = f"{clean}_{number}"
    return found
