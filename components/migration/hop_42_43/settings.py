"""One setting of 4.2 as the settings of 4.3 that replace it; what a single line cannot know is in ``Context``."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from components.migration.configs.flat import Conf, Setting
from components.migration.hop_42_43.before_42 import REWRITE, module_of
from components.migration.hop_42_43.known import is_known
from components.migration.hop_42_43.renames import REMOVALS, RENAMES, REQUESTS
from components.migration.manifest import NOTHING, Verdict
from components.migration.words import Credential

OLD_DATE = ("log.formatter.text.date.format", "%Y-%m-%d %H:%M:%S.%3N")
OLD_TLS = "tlsv1.2,tlsv1.1,tlsv1"
_HEADER = re.compile(r"auth\.http\.header\.(.+)")
_BUILT_IN = re.compile(r"auth\.mnesia\.(\d+)\.(login|password)")
_PLUGIN_USER = re.compile(r"auth\.(user|client)\.(\d+)\.(username|clientid|password)")
_PLUGIN_HASH = re.compile(r"auth\.(user|client)\.password_hash")
_CREDENTIAL = "auth.mnesia.as"
PREFIX: dict[Credential, tuple[str, str]] = {"username": ("user", "username"), "clientid": ("client", "clientid")}


class Line(NamedTuple):
    """A setting to be written."""

    key: str
    value: str


class Translation(NamedTuple):
    """The lines that replace one line (none: it is commented out), and the account of it."""

    lines: tuple[Line, ...]
    verdict: Verdict
    how: str
    todo: str = ""


@dataclass(frozen=True)
class Context:
    """What all files together say: the kind of built-in users, which HTTP requests are made, the hash of each source of users.

    ``made`` are the keys that any file sets; ``twice`` are built-in users, as (``user`` or ``client``, name), that stand in two places. ``off`` are
    the kinds of users (``user``, ``client``, ``mnesia``) whose plugin 4.2 did not load: 4.3's one plugin would let them in.
    """

    credential: Credential
    requests: tuple[str, ...]
    hashes: frozenset[str]
    indices: dict[tuple[str, str, str], int]
    made: frozenset[str]
    twice: frozenset[tuple[str, str]]
    off: frozenset[str] = frozenset()

    @classmethod
    def of(cls, confs: Iterable[Conf], credential: Credential, off: frozenset[str] = frozenset()) -> Context:
        """Read once over all the settings."""
        everything = [setting for conf in confs for setting in conf.settings if not is_off(setting.key, off)]
        made = frozenset(setting.key for setting in everything)
        requests = tuple(one for one in REQUESTS if f"auth.http.{one}" in made) or REQUESTS[:1]
        hashes = frozenset(
            one.value for one in everything if _PLUGIN_HASH.fullmatch(one.key) or one.key == "auth.mnesia.password_hash"
        )
        indices: dict[tuple[str, str, str], int] = {}
        numbers: Counter[str] = Counter()
        named: dict[tuple[str, str], set[tuple[str, str, str]]] = defaultdict(set)
        for setting in everything:
            place = user_place(setting, credential)
            if place is not None and place not in indices:
                numbers[place[1]] += 1
                indices[place] = numbers[place[1]]
            if place is not None and not setting.key.endswith(".password"):
                named[place[1], setting.value].add(place)
        twice = frozenset(user for user, places in named.items() if len(places) > 1)
        return cls(credential, requests, hashes, indices, made, twice, off)


USERS_OF: Mapping[str, str] = {
    "user": "emqx_auth_username",
    "client": "emqx_auth_clientid",
    "mnesia": "emqx_auth_mnesia",
}
"""The plugin of 4.2 that makes the users ``auth.KIND.N`` at its start."""


def is_off(key: str, off: frozenset[str]) -> bool:
    """Whether it is of a user, or the hash of users, whose plugin 4.2 did not load."""
    found = re.match(r"auth\.(user|client|mnesia)\.(\d+\.|password_hash$)", key)
    return found is not None and found[1] in off


def user_place(setting: Setting, credential: Credential) -> tuple[str, str, str] | None:
    """Which user of which file a setting describes: (file, ``user`` or ``client``, its old number)."""
    built_in = _BUILT_IN.fullmatch(setting.key)
    if built_in:
        return (setting.file, PREFIX[credential][0], built_in[1])
    plugin = _PLUGIN_USER.fullmatch(setting.key)
    return (setting.file, plugin[1], plugin[2]) if plugin else None


def translate(setting: Setting, context: Context) -> Translation:
    """What becomes of a setting of 4.2."""
    for removal in REMOVALS:
        if removal.pattern.fullmatch(setting.key):
            return Translation((), Verdict.DROPPED, removal.why, removal.todo)
    special = _of_users(setting, context) or _header(setting, context) or _of_modules(setting)
    if special is not None:
        return special
    for rename in RENAMES:
        found = rename.pattern.fullmatch(setting.key)
        if found:
            key, value = found.expand(rename.to), rename.value(setting.value)
            how = "as it was" if (key, value.text) == (setting.key, setting.value) else f"written as {key}"
            verdict = Verdict.CHANGED if value.doubt else Verdict.CARRIED
            return Translation((Line(key, value.text),), verdict, how, value.doubt)
    if is_known(setting.key):
        return Translation((Line(setting.key, setting.value),), Verdict.CARRIED, "as it was")
    return Translation(
        (Line(setting.key, setting.value),),
        Verdict.CHANGED,
        "kept as it was, but no file that 4.3 ships mentions it",
        "hold it against 4.3's own file of that plugin; a node does not start with a key that it does not know",
    )


def _of_modules(setting: Setting) -> Translation | None:
    """Switches of 4.0 are lines of another file now, and its rewrite rules were for both directions."""
    module = module_of(setting)
    if module is not None:
        return Translation((), Verdict.CARRIED, f"as a line of data/loaded_modules: {module}")
    rule = REWRITE.fullmatch(setting.key)
    if rule is None:
        return None
    lines = tuple(Line(f"module.rewrite.{way}.rule.{rule[1]}", setting.value) for way in ("pub", "sub"))
    return Translation(lines, Verdict.CARRIED, "written for what is published and for what is subscribed")


def _header(setting: Setting, context: Context) -> Translation | None:
    """A header for all requests becomes one for each request that is made."""
    found = _HEADER.fullmatch(setting.key)
    if found is None:
        return None
    lines = tuple(Line(f"auth.http.{one}.headers.{found[1]}", setting.value) for one in context.requests)
    return Translation(lines, Verdict.CARRIED, f"written for {', '.join(context.requests)}")


def _of_users(setting: Setting, context: Context) -> Translation | None:
    """Everything about built-in users: their kind, their hash, and those that stand in the file."""
    if setting.key == _CREDENTIAL:
        return Translation((), Verdict.CHANGED, f"no setting of 4.3; the import is told {context.credential} instead")
    if is_off(setting.key, context.off):
        plugin = USERS_OF[setting.key.split(".")[1]]
        return Translation((), Verdict.DROPPED, f"{plugin} is not loaded, so nobody could come in by it", NOTHING)
    hashed = _PLUGIN_HASH.fullmatch(setting.key)
    if hashed and len(context.hashes) > 1:
        return Translation(
            (),
            Verdict.DROPPED,
            "the merged plugin has one hash for all built-in users, and the files name several",
            "choose auth.mnesia.password_hash; users that were hashed otherwise need a new password",
        )
    if hashed:
        return Translation(
            (Line("auth.mnesia.password_hash", setting.value),), Verdict.CARRIED, "written as auth.mnesia.password_hash"
        )
    place = user_place(setting, context.credential)
    if place is None:
        return None
    kind = place[1]
    name = setting.key.rsplit(".", 1)[-1]
    field = "password" if name == "password" else {"user": "username", "client": "clientid"}[kind]
    key = f"auth.{kind}.{context.indices[place]}.{field}"
    how = "as it was" if key == setting.key else f"written as {key}"
    if name != "password" and (kind, setting.value) in context.twice:
        todo = "the same user stands in these files more than once: keep the one whose password is right"
        return Translation((Line(key, setting.value),), Verdict.CHANGED, how, todo)
    return Translation((Line(key, setting.value),), Verdict.CARRIED, how)
