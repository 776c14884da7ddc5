"""What is taken for granted where a file was not given, and whom green lets in or keeps out by it.

The rule kept here: the defaults of 4.4's schema are the strict ones, those of the file that it ships are not; so a missing file can lock out, never let in.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from components.migration.hop_44_5.aclsource import read_file
from components.migration.hop_44_5.plugins import MODULES, find_file, is_known, named
from components.migration.hop_44_5.settings import Settings, of_zones
from components.migration.hop_44_5.source import Source
from components.migration.manifest import NO_EXPORT

MAIN_FILE = "emqx.conf"
ANONYMOUS = (
    "no emqx.conf: allow_anonymous is taken as false, so green lets in nobody without a login of its own; the file that 4.4 ships says true: if yours does, "
    "whoever has no login is locked out. Give emqx.conf of a node"
)
NO_MATCH = (
    "no emqx.conf: acl_nomatch is taken as deny, so green denies what no rule allows; the file that 4.4 ships says allow: if yours does, what was open is "
    "closed. Give emqx.conf of a node"
)
RULES = (
    "no {name}: none of its rules is on green, and what no other rule allows is denied there. Give that file of a node"
)
NO_PLUGINS = (
    "no data/loaded_plugins: which plugins are on is not known; users and rules of the built-in database and the retainer are taken as on, "
    "all others are left out"
)
NO_MODULES = (
    "no data/loaded_modules: which modules are on is not known; acl.conf is taken as on, rewrite, subscription, delayed publish and "
    "slow subscriptions are left out"
)


def lacks(source: Source, settings: Settings) -> Iterator[str]:
    """What was not given, with what the result does not hold for that."""
    missing = {
        NO_EXPORT: source.export is None,
        NO_PLUGINS: not is_known(source),
        NO_MODULES: MODULES not in (source.export or {})
        and not named(source, "loaded_modules")
        and find_file(source, "loaded_modules") is None,
    }
    yield from (what for what, is_missing in missing.items() if is_missing)
    if not any(PurePath(file).name == MAIN_FILE for file in (*source.files, *(one.file for one in source.settings))):
        for key, words in (("allow_anonymous", ANONYMOUS), ("acl_nomatch", NO_MATCH)):
            if not all(of_zones(settings, key).values()):
                yield words
    rules = read_file(source, settings)
    if rules.enabled and not rules.given:
        yield RULES.format(name=rules.section)
    yield from source.not_read
