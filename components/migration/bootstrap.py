"""What of an old cluster's configuration the new nodes must be born with: settings of their own files, which no import brings.

The rule kept here: where the doors of a new node are belongs to its target, how they behave to the old configuration; what is not taken over
is named, and a secret of a file is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from pathlib import PurePath
from typing import Any, NamedTuple

from components.migration.declared import differing
from components.migration.facts import Facts, Plan
from components.migration.hop_42_43.convert import convert as convert_42
from components.migration.hop_44_5.convert import convert
from components.migration.hop_44_5.source import Options
from components.migration.loading import add
from components.migration.surroundings import source_of
from components.migration.unlike import leaves
from components.migration.words import Shown

Json = dict[str, Any]
DOORS = ("tcp", "ws")
"""The kinds of listener that the nodes of our targets open, each by the name ``default``: TLS ends at the balancer."""
PLACE = ("bind", "proxy_protocol")
"""Of a door, what the target decides."""
BASE = "base.hocon"
OLD_FILES = ("emqx.conf", "acl.conf", "loaded_plugins", "loaded_modules")
_PROXY = re.compile(r"^listener\.(?:tcp|ws)\.external\.proxy_protocol\s*=.*\n?", re.MULTILINE)
_HIDDEN = ("password", "secret", "key", "token")


class Bootstrap(NamedTuple):
    """What nodes are born with.

    ``config`` are roots of a 5.x configuration, all that the old files say; ``files`` are those of a 4.x node, by their place below its
    ``etc``, which was ``etc`` on the old one. ``psk`` is whether clients came by PSK.
    """

    config: Mapping[str, Any]
    files: Mapping[str, str]
    etc: str = ""
    psk: bool = False

    @property
    def ours(self) -> Json:
        """The part that the nodes of our targets take over."""
        listeners = self.config.get("listeners", {})
        doors = {kind: dict(door) for kind in DOORS if (door := listeners.get(kind, {}).get("default"))}
        kept = {kind: {"default": _without(door, PLACE)} for kind, door in doors.items()}
        return {"listeners": kept} if kept else {}

    def left_out(self) -> Iterator[str]:
        """What they do not, with where it belongs."""
        for kind, named in self.config.get("listeners", {}).items():
            for name, door in named.items():
                if door.get("enable") is not False and (kind not in DOORS or name != "default"):
                    yield f"listeners.{kind}.{name} ({door.get('bind')}): a door of the balancer (emqx:balancer.listeners), not of the new nodes"
        if self.psk:
            yield "psk_authentication: no door of the balancer takes PSK; such clients need a listener of your own"

    def told(self) -> Iterator[str]:
        """What they do, by its settings; no values."""
        for path, _ in leaves(self.ours):
            yield ".".join(path)
        yield from sorted(self.files)


def bootstrap(facts: Facts, *, jwt_key: str = "") -> Bootstrap:
    """What the files of the old nodes ask of the new ones.

    Raises:
        BadSource: the source is refused: file, place and remedy are in it.

    """
    plan = facts.plan
    if plan.target.major > 4:
        made = convert(
            source_of(facts),
            str(plan.source),
            str(plan.target),
            Options(credential=plan.credential or "", jwt_key=jwt_key, edition=plan.edition_to, now=0.0),
        )
        return Bootstrap(made.nodes, {}, psk="psk_authentication" in made.config)
    texts = convert_42(facts).texts if plan.source.line < (4, 3) else facts.files
    home = next((str(PurePath(name).parent) for name in texts if PurePath(name).name == OLD_FILES[0]), "")
    return Bootstrap({}, dict(_placed(texts)), home if PurePath(home).is_absolute() else "")


def apart(found: Bootstrap, effective: Mapping[str, Any], *, ours: bool) -> list[str]:
    """Each setting that the new nodes of 5.x have otherwise than the old configuration says it.

    Args:
        found: what it says.
        effective: what they show.
        ours: whether they are a target's, which has its own doors.

    """
    there = dict(leaves(effective))
    wanted = found.ours if ours else found.config
    said = ((path, value) for path, value in leaves(wanted) if ours or path[-1] not in PLACE[1:])
    return [
        f"{'.'.join(path)} {_differs(path, there.get(path), value)}"
        for path, value in said
        if _plain(there.get(path)) != _plain(value) and not _closed(wanted, path)
    ]


def apart_of_old(found: Bootstrap, plan: Plan, shown: Shown) -> list[str]:
    """The same of nodes of 4.x, as far as they show it."""
    read = reduce(_added, found.files.items(), Facts(plan))
    return differing(read, shown)


def at_home(found: Bootstrap, etc: str, *, proxied: bool) -> Json:
    """The files of a 4.x node whose ``etc`` is here, and whose doors speak the PROXY protocol, or do not."""
    moved = ((name, text.replace(found.etc, etc) if found.etc else text) for name, text in found.files.items())
    return {name: _with_proxy(name, text, on=proxied) for name, text in moved}


def _with_proxy(name: str, text: str, *, on: bool) -> str:
    if name != OLD_FILES[0]:
        return text
    said = "".join(f"listener.{kind}.external.proxy_protocol = {'on' if on else 'off'}\n" for kind in DOORS)
    return f"{_PROXY.sub('', text).rstrip()}\n{said}"


def _added(facts: Facts, file: tuple[str, str]) -> Facts:
    return add(facts, file[0], file[1].encode())


def _placed(texts: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """The files of one node; what starts nodes, and exports, are none of these."""
    for name, text in texts.items():
        last = PurePath(name).name
        if last in OLD_FILES:
            yield last, text
        elif last.endswith(".conf") and last.startswith("emqx_"):
            yield f"plugins/{last}", text


def _without(door: Mapping[str, Any], names: Iterable[str]) -> Json:
    return {name: value for name, value in door.items() if name not in names}


def _closed(wanted: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether the setting is of a door that is shut anyway, and is not that it is shut."""
    door = wanted.get("listeners", {}).get(path[1], {}).get(path[2], {}) if path[0] == "listeners" else {}
    return door.get("enable") is False and path[-1] != "enable"


def _plain(value: Any) -> str:
    return str(value).lower().removesuffix("/s") if not isinstance(value, list) else str(sorted(map(str, value)))


def _differs(path: tuple[str, ...], there: Any, value: Any) -> str:
    if any(word in path[-1] for word in _HIDDEN):
        return "is not what the old configuration says"
    return f"is {'not set' if there is None else there}; the old configuration says {value}"
