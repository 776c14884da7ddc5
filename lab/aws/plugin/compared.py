"""What differs between what is declared and what is there, and what is wrong about what is declared; pure.

The rule: an input that is not given and that AWS chooses never differs; an object differs by what is given of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from lab.aws.plugin.kind import Kind, Property


def problems(given: Mapping[str, Any], known: Mapping[str, Property], at: str = "") -> Iterator[tuple[str, str]]:
    """Each property that is not served, with where it stands."""
    for name, value in given.items():
        if name == "__defaults":
            continue
        if name not in known:
            yield f"{at}{name}", "not served by the lab's AWS plugin; served here: " + ", ".join(sorted(known))
            continue
        inside = known[name].inside
        if inside:
            several = value if isinstance(value, list) else [value]
            for one in several:
                if isinstance(one, Mapping):
                    yield from problems(one, inside, f"{at}{name}.")


def filled(given: Mapping[str, Any], known: Mapping[str, Property], own: str, seed: bytes) -> dict[str, Any]:
    """With its defaults, and with a name of its own where it needs one."""
    full = {name: value for name, value in given.items() if value is not None}
    for name, rule in known.items():
        if name not in full and rule.name:
            full[name] = f"{own[: rule.name - 8]}-{hashlib.sha256(seed or own.encode()).hexdigest()[:7]}"
        elif name not in full and rule.default is not None:
            full[name] = rule.default
        elif rule.inside and name in full:
            full[name] = _inside(full[name], rule.inside)
    return full


def _inside(value: Any, known: Mapping[str, Property]) -> Any:
    if isinstance(value, list):
        return [_inside(one, known) for one in value]
    return filled(value, known, "", b"") if isinstance(value, Mapping) else value


def changed(
    kind: Kind, wanted: Mapping[str, Any], there: Mapping[str, Any], declared: Mapping[str, Any]
) -> dict[str, bool]:
    """The inputs that differ from what is ``there``, and whether each replaces the resource; ``declared`` are the inputs of the last time."""
    found = {}
    for name, rule in kind.known.items():
        new, old = wanted.get(name), there.get(name)
        if new is None:
            gone = declared.get(name) is not None or (not rule.computed and not _empty(old))
            if not gone or rule.computed or _empty(old):
                continue
        elif covers(old, new, rule) and (not rule.inside or covers(new, declared.get(name, new), rule)):
            continue
        found[name] = rule.replace
    return found


def _empty(value: Any) -> bool:
    return value in (None, "", False, 0, [], {})


def covers(old: Any, new: Any, rule: Property) -> bool:
    """Whether what is there is all that is asked for."""
    if new == UNKNOWN:
        return False
    if isinstance(new, Mapping):
        if not isinstance(old, Mapping):
            return _empty(old) and not new
        return all(
            covers(old.get(name), value, rule.inside.get(name, Property())) or (_empty(value) and _empty(old.get(name)))
            for name, value in new.items()
        ) and (bool(rule.inside) or old.keys() <= new.keys())
    if isinstance(new, list):
        if not isinstance(old, list) or len(old) != len(new):
            return _empty(old) and not new
        if rule.unordered:
            return all(any(covers(have, one, rule) for have in old) for one in new)
        return all(covers(have, one, rule) for have, one in zip(old, new, strict=True))
    return old == new or _text(old) == _text(new)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
