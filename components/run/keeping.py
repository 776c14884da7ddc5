"""Journal and archives at a place that outlives the machine of a run: fetched when a run begins, copied after each of its links.

The rule: the place is the copy and the work directory the original; what cannot be copied is said and stops nobody, since clients are more
than their report. Archives hold secrets: they are copied only where a place for them is named, which encrypts what it stores.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import fsspec  # type: ignore[import-untyped]

from components.system.files import own_directory, replace
from components.value import Value

JOURNAL, ARCHIVES = "journal.jsonl", "archives"
SECONDS = 20.0


class Places(Value):
    """URLs of directories (``s3://bucket/emqx/prod``); empty: nothing is copied."""

    journal: str = ""
    archives: str = ""


async def fetch(places: Places, work: Path, warn: Callable[[str], None]) -> None:
    """What earlier runs have left there and this machine does not have."""
    if places != Places():
        await _bounded("fetched", lambda: fetched(places, work), warn)


async def keep(places: Places, work: Path, warn: Callable[[str], None]) -> None:
    """Copy what this machine has."""
    if places != Places():
        await _bounded("copied", lambda: kept(places, work), warn)


def problem(url: str) -> str | None:
    """Why a place cannot be used from here; None where it can, as far as that is known without asking it."""
    scheme = url.partition("://")[0]
    if not url or scheme not in fsspec.available_protocols():
        return None if not url else f"a URL of file, s3, gs or az, not {scheme[:20]!r}"
    try:
        fsspec.get_filesystem_class(scheme)
    except (ImportError, ValueError) as missing:
        return f"a URL that can be opened here ({missing})"
    return None


def fetched(places: Places, work: Path) -> None:
    """The same without a bound; raises what the place raises."""
    if places.journal:
        files, path = _place(places.journal)
        theirs = _read(files, f"{path}/{JOURNAL}")
        mine = (work / JOURNAL).read_text(errors="replace") if (work / JOURNAL).exists() else ""
        lines = merged(theirs.splitlines(), mine.splitlines())
        if set(lines) - set(mine.splitlines()):
            own_directory(work)
            replace(work / JOURNAL, "".join(f"{line}\n" for line in lines))
    if places.archives:
        files, path = _place(places.archives)
        for name in _names(files, f"{path}/{ARCHIVES}"):
            if not (work / ARCHIVES / name).exists():
                own_directory(work / ARCHIVES)
                replace(work / ARCHIVES / name, files.cat_file(f"{path}/{ARCHIVES}/{name}"))


def kept(places: Places, work: Path) -> None:
    """The same without a bound; raises what the place raises."""
    if places.journal and (work / JOURNAL).exists():
        files, path = _place(places.journal)
        files.makedirs(path, exist_ok=True)
        files.pipe_file(f"{path}/{JOURNAL}", (work / JOURNAL).read_bytes())
    if places.archives and (work / ARCHIVES).is_dir():
        files, path = _place(places.archives)
        files.makedirs(f"{path}/{ARCHIVES}", exist_ok=True)
        there = _names(files, f"{path}/{ARCHIVES}")
        for one in sorted((work / ARCHIVES).iterdir()):
            # an archive never changes once it is written; the lists beside them do
            if one.is_file() and (one.name not in there or one.suffix == ".json"):
                files.pipe_file(f"{path}/{ARCHIVES}/{one.name}", one.read_bytes())


def merged(theirs: Iterable[str], mine: Iterable[str]) -> list[str]:
    """Both journals as one, each line once and in the order of its time; what is no line of a journal is left out."""
    timed: dict[str, float] = {}
    for line in (*theirs, *mine):
        try:
            at = json.loads(line)["t"]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(at, int | float):
            timed[line] = float(at)
    return sorted(timed, key=lambda line: timed[line])


async def _bounded(what: str, work: Callable[[], None], warn: Callable[[str], None]) -> None:
    try:
        await asyncio.wait_for(asyncio.to_thread(work), SECONDS)
    except TimeoutError:
        warn(f"journal and archives could not be {what}: no answer in {SECONDS:g} s; the update goes on")
    except Exception as failed:  # noqa: BLE001  -- every kind of store has errors of its own
        warn(
            f"journal and archives could not be {what}: {type(failed).__name__}: {str(failed)[:200]}; the update goes on"
        )


def _place(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    files, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    return files, str(path).rstrip("/")


def _read(files: fsspec.AbstractFileSystem, path: str) -> str:
    try:
        content: bytes = files.cat_file(path)
    except FileNotFoundError:
        return ""
    return content.decode("utf-8", "replace")


def _names(files: fsspec.AbstractFileSystem, path: str) -> set[str]:
    try:
        return {str(one).rstrip("/").rpartition("/")[2] for one in files.ls(path, detail=False)}
    except FileNotFoundError:
        return set()
