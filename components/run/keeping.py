"""Journal and archives at a place that outlives the machine of a run: fetched when a run begins, copied after each of its links.

The rule: the place is the copy and the work directory the original; a reader finds a copy whole or finds the one before; what cannot be copied
is said and stops nobody, for longer than its bound neither, since clients are more than their report. Archives hold secrets: they are copied only where a place for them is named, which encrypts what it stores.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from components.system.files import own_directory, replace
from components.value import Value

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem  # type: ignore[import-untyped]

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


def journal_lines(places: Places, work: Path, patience_seconds: float) -> list[str]:
    """The journal of this machine and the one at its place as one; nothing is written, and what does not answer is left out."""
    theirs: list[str] = []

    def look() -> None:
        files, path = _place(places.journal)
        theirs[:] = _read(files, f"{path}/{JOURNAL}").splitlines()

    if places.journal:
        _tried(look, patience_seconds)
    return merged(list(theirs), _mine(work).splitlines())


def keep_now(places: Places, work: Path) -> None:
    """As ``keep``, for who has nobody to tell."""
    if places != Places():
        _tried(lambda: kept(places, work))


def problem(url: str) -> str | None:
    """Why a place cannot be used from here; None where it can, as far as that is known without asking it."""
    if not url:
        return None
    import fsspec  # its stores take long to be imported, and most stacks name none

    scheme = url.partition("://")[0]
    if scheme not in fsspec.available_protocols():
        return f"a URL of file, s3, gs or az, not {scheme[:20]!r}"
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
        mine = _mine(work)
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
        _put(files, f"{path}/{JOURNAL}", (work / JOURNAL).read_bytes())
    if places.archives and (work / ARCHIVES).is_dir():
        files, path = _place(places.archives)
        there = _names(files, f"{path}/{ARCHIVES}")
        for one in sorted((work / ARCHIVES).iterdir()):
            # an archive never changes once it is written; the lists beside them do
            if one.is_file() and (one.name not in there or one.suffix == ".json"):
                _put(files, f"{path}/{ARCHIVES}/{one.name}", one.read_bytes())


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
    failed = await asyncio.to_thread(_tried, work)
    if failed is not None:
        why = f"{type(failed).__name__}: {str(failed)[:200]}" if str(failed) else f"no answer in {SECONDS:g} s"
        warn(f"journal and archives could not be {what}: {why}; the update goes on")


def _tried(work: Callable[[], None], seconds: float | None = None) -> Exception | None:
    """What stopped it, a TimeoutError without a text where it has not ended: a thread that hangs keeps nobody, also not who ends."""
    failed: list[Exception] = []

    def doing() -> None:
        try:
            work()
        except Exception as failure:  # noqa: BLE001  -- every kind of store has errors of its own
            failed.append(failure)

    thread = threading.Thread(target=doing, daemon=True)
    thread.start()
    thread.join(SECONDS if seconds is None else seconds)
    return TimeoutError() if thread.is_alive() else next(iter(failed), None)


def _place(url: str) -> tuple[AbstractFileSystem, str]:
    import fsspec

    files, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    return files, str(path).rstrip("/")


def _put(files: AbstractFileSystem, path: str, content: bytes) -> None:
    """A store of objects shows one that is whole or none, and has no directories (making one would make a bucket); files are moved to their place."""
    from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

    if isinstance(files, LocalFileSystem):
        own_directory(Path(path).parent)
        replace(Path(path), content)
    else:
        files.pipe_file(path, content)


def _mine(work: Path) -> str:
    return (work / JOURNAL).read_text(errors="replace") if (work / JOURNAL).exists() else ""


def _read(files: AbstractFileSystem, path: str) -> str:
    try:
        content: bytes = files.cat_file(path)
    except FileNotFoundError:
        return ""
    return content.decode("utf-8", "replace")


def _names(files: AbstractFileSystem, path: str) -> set[str]:
    try:
        return {str(one).rstrip("/").rpartition("/")[2] for one in files.ls(path, detail=False)}
    except FileNotFoundError:
        return set()
