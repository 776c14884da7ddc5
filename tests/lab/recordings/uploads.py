"""The archives that the recordings uploaded, made anew from the lab's own: the recordings keep only their sizes.

The rule: what a note says was changed in the archive is changed here, and nothing else.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from typing import Any

from tests.lab.recordings.world import Upload, World

BY_KEY, FULL = "emqx-export-2026-11-22-10-12-30.354.tar.gz", "emqx-export-2026-11-22-10-12-31.485.tar.gz"
"""The two archives of 05 that several recordings upload: made with the API key, and the full one made with a token."""
Change = Callable[[dict[str, bytes]], None]


def _set(name: str, data: bytes) -> Change:
    return lambda files: files.update({name: data})


def _drop(name: str) -> Change:
    def change(files: dict[str, bytes]) -> None:
        files.pop(name, None)

    return change


def _append(name: str, text: bytes) -> Change:
    return lambda files: files.update({name: files[name] + text})


VARIANTS: dict[str, tuple[str, Change]] = {
    "no META.hocon": ("emqx-export-nometa", _drop("META.hocon")),
    "META not hocon": ("emqx-export-badmeta", _set("META.hocon", b"%%% {")),
    "no cluster.hocon": ("emqx-export-noconf", _drop("cluster.hocon")),
    "cluster.hocon unparsable": ("emqx-export-badconf", _append("cluster.hocon", b"\nbroken {{{ endobj")),
    "unknown root in cluster.hocon": ("emqx-export-unkroot", _append("cluster.hocon", b"\nnonsense_root {a = 1}\n")),
    "invalid value in known root": (
        "emqx-export-badval",
        _append("cluster.hocon", b"\nretainer {max_payload_size = xyz}\n"),
    ),
    "corrupt mnesia table": ("emqx-export-badmnesia", _set("mnesia/emqx_banned", b"garbage")),
    "unknown mnesia table": ("emqx-export-unktab", _set("mnesia/emqx_nosuch", b"garbage")),
}


def _meta(edition: str, version: str) -> Change:
    return _set("META.hocon", f'edition = {edition}\nversion = "{version}"\n'.encode())


def _plain(world: World, recorded: str) -> Upload:
    return Upload(world.here(recorded), world.archives[recorded])


def make(world: World, pair: dict[str, Any]) -> Upload | None:
    """The upload that a recorded pair stands for."""
    note = pair["note"]
    if not world.archives:
        return None
    last = list(world.archives)[-1]
    first = BY_KEY if BY_KEY in world.archives else last
    full = FULL if FULL in world.archives else last
    if match := re.fullmatch(r"upload variant: (.*)", note):
        return _variant(world, first, match.group(1))
    raw, name = world.archives[first], world.here(first)
    special = {
        "arbitrary name, valid archive inside with other base dir": Upload("renamed.tar.gz", raw),
        "garbage content": Upload("emqx-export-garbage.tar.gz", b"garbage, not gzip"),
        "bad suffix": Upload("emqx-export.zip", raw),
        "path in file name": Upload("../x.tar.gz/", raw),
        "wrong form field": Upload(name, raw, field="file"),
        "truncated archive": Upload("emqx-export-trunc.tar.gz", raw[: len(raw) // 2]),
        "base dir differs from file name": Upload("emqx-export-basedir.tar.gz", raw),
        "upload full (token-made) with API key": _plain(world, full),
        "upload to blue": _plain(world, first),
        "upload same name again": _plain(world, first),
        "upload 5.8.11 full export to 5.8.10 with API key": _plain(world, full),
        "upload EE 5.8.11 export to CE 5.8.9": _plain(world, first),
        "upload, emqx_authn_mnesia is garbage": Upload(
            "emqx-export-partial.tar.gz",
            _repack(raw, "emqx-export-partial", _set("mnesia/emqx_authn_mnesia", b"garbage")),
        ),
    }
    return special.get(note) or _plain(world, last)


def _variant(world: World, first: str, what: str) -> Upload:
    key, _, value = what.partition("=")
    if key == "version":
        base, change = f"emqx-export-ver-{value}", _meta("ee", value)
    elif key == "edition":
        base, change = f"emqx-export-ed-{value}", _meta(value, "5.8.11")
    else:
        base, change = VARIANTS[what]
    return Upload(f"{base}.tar.gz", _repack(world.archives[first], base, change))


def _repack(raw: bytes, base: str, change: Change) -> bytes:
    """An archive with another top directory and other members."""
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        files = {one.name.partition("/")[2]: (tar.extractfile(one) or io.BytesIO()).read() for one in tar}
    change(files)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{base}/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()
