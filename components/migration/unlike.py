"""Two effective configurations held against each other: each thing that differs is one entry, of a kind, and the grave ones come first.

The rule: it works on paths and on marks that stand for values (hashes), so that no value can be shown; a listener that one colour lacks is
one difference, not one for each of its settings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from components.value import Value

Path = tuple[str, ...]
Kind = Literal["listener", "authenticator", "authorization", "limit", "mqtt", "other"]
State = Literal["missing", "extra", "different"]
"""Of the target: it lacks it, it alone has it, or both have it with other settings."""

OWN_ROOTS = frozenset(
    {"node", "cluster", "rpc", "dashboard", "api_key", "license", "log", "prometheus", "opentelemetry"}
)
"""Each cluster's own, and never carried (docs/emqx/config.md#the-effective-configuration)."""

_OWN_LEAVES = frozenset({"bind", "created_at", "last_modified_at"})
_LIMITS = frozenset({"limiter", "force_shutdown", "flapping_detect", "overload_protection", "quota"})
_LIMIT_ENDS = ("_rate", "_burst", "_limit")
_NAMED: Mapping[Path, tuple[str, ...]] = {
    ("authentication",): ("mechanism", "backend"),
    ("authorization", "sources"): ("type",),
}
"""Lists whose entries have a name, of these parts; in which order they stand is the inventory's to compare."""

MOST_TOLD = 5
"""Of the grave ones, where a person reads them in passing."""

_GRAVITY: tuple[Kind, ...] = ("authenticator", "authorization", "listener", "limit", "mqtt", "other")


class Unlike(Value):
    """One thing that differs: its kind, its name, how, and the paths of its settings that do.

    ``name`` is ``tcp:extra`` of a listener, ``password_based:built_in_database`` of an authenticator, ``file`` of an authorization
    source, and the path of anything else.
    """

    kind: Kind
    name: str
    state: State
    paths: tuple[str, ...]

    @property
    def grave(self) -> bool:
        """Whether clients may notice: who gets in, what they may do, how many of them; not what is logged, watched or counted.

        A listener that only the target has takes nobody anything away.
        """
        return self.kind != "other" and (self.kind, self.state) != ("listener", "extra")

    def said(self, source: str, target: str) -> str:
        """One line, by the names of the colours: ``listener tcp:extra: only on blue (20 settings)``."""
        where = {"missing": f"only on {source}", "extra": f"only on {target}", "different": "different on both"}
        what = self.name if self.kind == "other" else f"{self.kind} {self.name}"
        more = f" ({len(self.paths)} settings)" if len(self.paths) > 1 else ""
        return f"{what}: {where[self.state]}{more}"


class _Thing(NamedTuple):
    kind: Kind
    name: str


def leaves(tree: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """The settings of a configuration that may be compared; nothing of what is each cluster's own, and no empty list or object.

    Entries of lists that have a name are found under it: ``authentication.password_based:built_in_database.enable``.
    """
    for path, value in _leaves((), tree):
        rewritten = path[:2] == ("authorization", "sources") and path[-1] == "path"
        if path[0] not in OWN_ROOTS and path[-1] not in _OWN_LEAVES and not rewritten:
            yield path, value


def unlike(source: Mapping[Path, str], target: Mapping[Path, str]) -> tuple[Unlike, ...]:
    """What differs between path -> mark of the source and of the target, the grave ones first."""
    there = {_thing(path) for path in target}
    here = {_thing(path) for path in source}
    found: dict[_Thing, list[Path]] = defaultdict(list)
    for path in sorted(source.keys() | target.keys()):
        if source.get(path) != target.get(path):
            thing = _thing(path)
            if path[0] == "listeners" and _is_limit(path) and thing in here and thing in there:
                thing = _Thing("limit", ".".join(path))
            found[thing].append(path)
    entries = []
    for thing, paths in found.items():
        on_source = thing in here or any(path in source for path in paths)
        on_target = thing in there or any(path in target for path in paths)
        state: State = "different" if on_source and on_target else "missing" if on_source else "extra"
        entries.append(Unlike(kind=thing.kind, name=thing.name, state=state, paths=tuple(map(".".join, paths))))
    return tuple(sorted(entries, key=lambda one: (not one.grave, _GRAVITY.index(one.kind), one.name)))


def counted(found: Sequence[Unlike]) -> str:
    """``2 grave, 19 others``."""
    grave = sum(one.grave for one in found)
    return f"{grave} grave, {len(found) - grave} others"


def lines(found: Sequence[Unlike] | None, source: str, target: str, whole: str) -> list[str]:
    """What is told of it: how many, the first grave ones, and that ``whole`` names the rest; nothing where nothing differs."""
    if found is None:
        return [f"the configurations of {source} and {target} cannot be compared: one of them does not show its own"]
    if not found:
        return []
    shown = [one for one in found if one.grave][:MOST_TOLD]
    todo = f"; carry the grave ones to {target} by hand" if shown else ""
    told = [f"{target}'s configuration differs from {source}'s ({counted(found)}), and no import carries it{todo}"]
    told += [f"  {one.said(source, target)}" for one in shown]
    more = len(found) - len(shown)
    return [*told, f"  and {more} more, all in {whole}" if more else f"  also in {whole}"]


def _thing(path: Path) -> _Thing:
    """What a setting belongs to."""
    if path[0] == "listeners" and len(path) > 3:
        return _Thing("listener", f"{path[1]}:{path[2]}")
    if path[0] == "authentication" and len(path) > 1:
        return _Thing("authenticator", path[1])
    if path[:2] == ("authorization", "sources") and len(path) > 2:
        return _Thing("authorization", path[2])
    if path[0] == "authorization" and path[1] != "cache":
        return _Thing("authorization", ".".join(path))
    if path[0] in _LIMITS or _is_limit(path):
        return _Thing("limit", ".".join(path))
    return _Thing("mqtt" if path[0] == "mqtt" else "other", ".".join(path))


def _is_limit(path: Path) -> bool:
    return path[-1].startswith("max_") or path[-1].endswith(_LIMIT_ENDS)


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves((*path, key), inner)
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for name, item in _entries(path, value):
            yield from _leaves((*path, name), item)
    elif path and value != []:
        yield path, value


def _entries(path: Path, items: list[Any]) -> Iterator[tuple[str, Any]]:
    """The entries of a list, by name where they have one, otherwise by number."""
    taken: set[str] = set()
    for number, item in enumerate(items):
        parts = [str(item[part]) for part in _NAMED.get(path, ()) if isinstance(item, Mapping) and part in item]
        name = ":".join(parts)
        if not name or name in taken:
            name = str(number)
        taken.add(name)
        yield name, item
