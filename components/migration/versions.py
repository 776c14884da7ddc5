"""When a rule applies: the ``since`` column of breaking-changes.json read against where a move comes from and goes to."""

from __future__ import annotations

from collections.abc import Callable

from components.cutover.versions import Version, parse

_FIRST = (5, 0)
Scope = Callable[[Version, Version], bool]
"""(source, target) -> whether the rule bites on the way."""


def scope(rule_id: str, since: str) -> Scope:
    """What a ``since`` means.

    ``5.8.0``: the change lies between source and target. The BK rules and four others speak of one side only: ``all``, ``all 5.x/6.x``
    (archives begin with 5.0) and ``>=5.7`` of the target, ``5.1.0..5.10.4`` of the releases in between, ``5.8.11/5.9.3/...`` of the patch from which each line has it.

    Raises:
        BadVersion: a ``since`` of another shape.

    """
    if rule_id in _BOTH_SIDES:
        return _BOTH_SIDES[rule_id]
    if rule_id.startswith("51-"):  # what 5.1 changed for those who come from 4.4; 5.0 has rules of its own
        return lambda source, target: source.major < 5 and target >= parse(since)
    if rule_id.startswith("50-"):
        return lambda source, target: source.line == _FIRST and target.line > _FIRST
    if since.startswith("all"):
        return _target_from(parse("5.0.0"))
    if since.startswith(">="):
        return _target_from(parse(since[2:]))
    if ".." in since:
        first, last = (parse(part) for part in since.split(".."))
        return lambda _, target: first <= target <= last
    if "/" in since:
        return _patched(tuple(parse(part) for part in since.split("/")))
    change = parse(since)
    return lambda source, target: source < change <= target


def _target_from(first: Version) -> Scope:
    return lambda _, target: target >= first


def _patched(fixes: tuple[Version, ...]) -> Scope:
    """In each line from the patch on that is named; in lines after the last named one always."""

    def bites(_source: Version, target: Version) -> bool:
        named = next((fix for fix in fixes if fix.line == target.line), None)
        return target >= named if named else target.line > max(fixes).line

    return bites


_BOTH_SIDES: dict[str, Scope] = {
    # Nodes from 5.8.7 on do not mix with 5.9.0 and 5.10.0: `since` is the source's, not a change on the way (rolling-upgrades note 3).
    "58-11": lambda source, target: (
        Version(5, 8, 7) <= source < target and target in {Version(5, 9, 0), Version(5, 10, 0)}
    ),
    # `since` is where it was mended: every older release refuses, and the new one is met while it fills up.
    "58-10": lambda source, target: source < target and source < Version(5, 8, 5) and target.major > 4,
    # Wrong in three releases only, whichever came before them.
    "59-07": lambda source, target: (
        source < target and target in {Version(5, 9, 0), Version(5, 9, 1), Version(5, 10, 0)}
    ),
    # The default changed in three lines at different patches.
    "60-05": lambda source, target: source < target and not _limits_selects(source) and _limits_selects(target),
}


def _limits_selects(version: Version) -> bool:
    """Whether ``rule_engine.limit_selects_in_namespace`` is true by default there (#17157: 6.0.3, 6.1.2, 6.2.1)."""
    first = {(6, 0): 3, (6, 1): 2, (6, 2): 1}.get(version.line)
    return version.patch >= first if first is not None else version.line > (6, 2)
