"""PSK identities: the module psk_authentication of Enterprise, or the plugin emqx_psk_file and its file.

The rule kept here: an identity that nobody could use on 4.4 is not on green. It takes a plugin or module that is on, and a listener with
``psk_ciphers``: only such a one asks for identities (4.4's emqx.schema, ``user_lookup_fun``). 4.4 ships a file with two of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from components.migration.hop_44_5.plugins import GIVE_LOADED, MODULES, find_file, is_loaded, module
from components.migration.hop_44_5.settings import Settings
from components.migration.hop_44_5.source import Source
from components.migration.hop_44_5.table import Term, identity_row
from components.migration.hop_44_5.values import file_text
from components.migration.manifest import NOTHING, Ledger

Json = dict[str, Any]
PSK_NAMES = ("psk.txt", "init.psk")
SECTION = "psk"
PLUGIN = "emqx_psk_file"
SAMPLES = frozenset({("client1", "1234"), ("client2", "abcd")})
SAMPLE = "4.4 ships this identity with this key, so that everybody knows it; it was in use and it is on green"
IS_OFF = "its plugin or module is not loaded, so nobody could come in by it"
NO_DOOR = "no listener of 4.4 takes PSK (psk_ciphers), so nobody could come in by it"
UNKNOWN = "it is not known whether its plugin is on, so it is left out and nobody gets in by it"
NO_FILE = "its file is not in the export"


class Found(NamedTuple):
    """What there is: its text, why nothing is made of it (empty: it is in use), what to do about that, and the module's index."""

    text: str
    why_not: str
    todo: str
    module: int | None


def convert_psk(source: Source, settings: Settings, ledger: Ledger) -> tuple[Json, list[Term]]:
    """The root ``psk_authentication`` and the rows of the table ``emqx_psk``; both empty where no identity was in use."""
    found = _of_module(source, settings) or _of_plugin(source, settings)
    if found is None:
        return {}, []
    separator = settings.peek("psk.file.delimiter") or ":"
    _account(settings, ledger, found)
    kept = list(_identities(found, separator, ledger))
    if found.why_not or not kept:
        return {}, []
    pairs = (line.partition(separator) for line in kept)
    return {"enable": True}, [identity_row(identity, key) for identity, _, key in pairs]


def _of_module(source: Source, settings: Settings) -> Found | None:
    found = module(source, "psk_authentication")
    if found is None:
        return None
    at, config, enabled = found
    content = config.get("psk_file")
    given = find_file(source, PurePath(content).name) if isinstance(content, str) and content else None
    text = given[1] if given else file_text(content) if isinstance(content, Mapping) else ""
    if not enabled:
        return Found(text, IS_OFF, NOTHING, at)
    if not text:
        return Found("", NO_FILE, "give the PSK file of a node too", at)
    return Found(text, *_without_door(settings), at)


def _of_plugin(source: Source, settings: Settings) -> Found | None:
    path = settings.peek("psk.file.path")
    names = [PurePath(path).name] if path else list(PSK_NAMES)
    given = next((file for name in names if (file := find_file(source, name))), None)
    is_on = is_loaded(source, "loaded_plugins", PLUGIN)
    if not path and (given is None or is_on is not True):
        return None
    text = given[1] if given else ""
    if MODULES in (source.export or {}) or is_on is False:
        return Found(text, IS_OFF, NOTHING, None)
    if is_on is None:
        return Found(text, UNKNOWN, GIVE_LOADED, None)
    if given is None:
        return Found("", "the file is not given", "give the file too: its plugin is loaded", None)
    return Found(text, *_without_door(settings), None)


def _without_door(settings: Settings) -> tuple[str, str]:
    """Why no identity can be used, and what to do; empty where a listener takes them, or where none is given that could tell."""
    listeners = any(True for _ in settings.matching(r"listener\.(tcp|ssl|wss?)\.[\w-]+"))
    takes = any(found.value for found, _ in settings.matching(r"listener\.(ssl|wss)\.[\w-]+\.psk_ciphers"))
    return (NO_DOOR, NOTHING) if listeners and not takes else ("", "")


def _account(settings: Settings, ledger: Ledger, found: Found) -> None:
    """The module or the settings."""
    kind, carried = "psk_authentication", "identities and psk_authentication in the archive"
    if found.module is not None and found.why_not:
        ledger.dropped(MODULES, found.module, kind, found.why_not, found.todo)
    elif found.module is not None:
        ledger.carried(MODULES, found.module, kind, carried)
    for key in ("psk.file.path", "psk.file.delimiter"):
        if found.why_not:
            settings.dropped(key, found.why_not, found.todo)
        else:
            settings.carried(key, carried)


def _identities(found: Found, separator: str, ledger: Ledger) -> Iterator[str]:
    """The lines that are on green; every line that is not blank is accounted by its identity.

    4.4 reads until the first line without separator, a blank one too, and of one identity it takes the last line (emqx_psk_file.erl of v4.4.19).
    5.x takes the first of several, and nothing of a file that has a line without a key (emqx_psk.erl of v5.8.0).
    """
    lines = [line.removesuffix("\r") for line in found.text.removesuffix("\n").split("\n")] if found.text else []
    end = next((at for at, line in enumerate(lines) if separator not in line), len(lines))
    last = {line.partition(separator)[0]: at for at, line in enumerate(lines[:end])}
    if found.text:
        ledger.expect(SECTION, sum(1 for line in lines if line.strip()))
    index = -1
    for at, line in enumerate(lines):
        if not line.strip():
            continue
        index += 1
        identity, has_key, key = line.partition(separator)
        why = _unusable(found, at, end, is_last=at >= end or last[identity] == at, key=key)
        if why:
            ledger.dropped(SECTION, index, identity if has_key else f"line {at + 1}", *why)
            continue
        if (identity.strip(), key.strip()) in SAMPLES:
            remedy = "take it out of the PSK file unless a device of yours needs it"
            ledger.changed(SECTION, index, identity, SAMPLE, remedy)
        else:
            ledger.carried(SECTION, index, identity, "in the archive")
        yield line


def _unusable(found: Found, at: int, end: int, *, is_last: bool, key: str) -> tuple[str, str] | None:
    """Why nobody could come in by a line of the file on 4.4, and what to do; None where somebody could."""
    if at == end:
        return "no identity and key: 4.4 reads the file up to here", "write the line anew if devices need it"
    if found.why_not:
        return found.why_not, found.todo
    if at > end:
        return f"4.4 stops reading at line {end + 1}, which has no separator, so nobody could come in by it", NOTHING
    if not is_last:
        return "a later line has this identity too, and 4.4 takes the last", NOTHING
    return None if key else ("it has no key", "give it one if a device needs it")
