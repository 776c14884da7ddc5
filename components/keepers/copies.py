"""The copy of a node's files: a directory of its own with a manifest of sizes and sha256, whole or not there, and the way back from it.

The rule: a copy is never written over, and nothing is put back that is not byte for byte what the manifest says.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from components.emqx.errors import BadInput, Refused
from components.keepers.base import Copied
from components.system.files import PRIVATE_FILE, own_directory, replace
from components.value import Value

MANIFEST = "manifest.json"
_CHUNK = 1 << 20


class CopiedFile(Value):
    """One file: its path below the copy, its size in bytes, its sha256; of a snapshot, which is no file of ours, its name, and no sha256."""

    path: str
    size: int
    sha256: str


class Source(NamedTuple):
    """Files or directories of a node, by the name that they have in the copy; ``back`` are those that a restore puts back."""

    paths: Mapping[str, Path]
    back: tuple[str, ...]


class Manifest(Value):
    """What a copy is of: node and version, the directory of its cluster (or its API's address), where each part belongs (only those that a restore puts back), and every file.

    ``restore`` is the command that takes the archive of a node on another machine, as its standard input.
    """

    node: str
    cluster: str
    version: str | None
    edition: str | None
    belongs: Mapping[str, str]
    files: tuple[CopiedFile, ...]
    restore: tuple[str, ...] = ()
    alone: str = (
        "a copy of one node that was stopped while others ran does not start alone, and copies of different moments do not fit together:"
        " put it back only where the other nodes of its cluster still run; the whole cluster is the export beside it"
    )

    @property
    def elsewhere(self) -> bool:
        """Whether its files are a snapshot's, which whoever keeps the volumes has."""
        return any(not one.sha256 for one in self.files)


WHILE_IT_RAN = (
    "copied while the node ran, so that its files are not of one moment: for looking things up, and for what a node is configured with;"
    " the data of the whole cluster are the export beside it"
)


def copied(place: Path) -> Copied | None:
    """The copy that lies there; None when there is none, since a copy that was cut off never gets its name."""
    if not place.exists():
        return None
    manifest = manifest_of(place)
    return Copied(place, len(manifest.files), sum(one.size for one in manifest.files))


def copy(place: Path, manifest: Manifest, source: Source, *, running: bool = False) -> Copied:
    """Copy the files there; one that lies there already is answered as it is. Of a node that is ``running`` some may be gone before they are reached.

    Raises:
        Refused: there is nothing to copy. OSError: there is no room for it; nothing of it is left then.

    """
    if (before := copied(place)) is not None:
        return before
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        files = []
        for one, below in _parts(source):
            with suppress(*((FileNotFoundError,) if running else ())):
                files.append(_copied_file(one, draft / below, str(below)))
        if not files:
            seen = f"no file in {', '.join(map(str, source.paths.values()))}"
            raise Refused(f"copying {manifest.node}", node=manifest.node, seen=seen, todo="look for its data directory")
        belongs = {name: str(source.paths[name]) for name in source.back}
        whole = manifest.model_copy(update={"files": tuple(files), "belongs": belongs})
        replace(draft / MANIFEST, whole.model_dump_json(indent=1))
        draft.rename(place)
    finally:  # half a copy on a disk that is full would be in the way of whoever makes room
        shutil.rmtree(draft, ignore_errors=True)
    return Copied(place, len(files), sum(one.size for one in files))


def recorded(place: Path, manifest: Manifest, beside: Mapping[str, str] | None = None) -> Copied:
    """Keep the manifest of a copy whose files lie elsewhere, with whoever keeps the volumes, and texts ``beside`` it by their names; one that lies there already is answered as it is."""
    if (before := copied(place)) is not None:
        return before
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    own_directory(draft)
    for name, text in {**(beside or {}), MANIFEST: manifest.model_dump_json(indent=1)}.items():
        replace(draft / name, text)
    draft.rename(place)
    return Copied(place, len(manifest.files), sum(one.size for one in manifest.files))


def aside(path: Path) -> Path | None:
    """Give what lies there another name beside it, ``data.aside-1``; where it is now, None when nothing lies there."""
    if not path.exists():
        return None
    names = (path.with_name(f"{path.name}.aside-{number}") for number in count(1))
    return path.rename(next(one for one in names if not one.exists()))


def restore(place: Path) -> Manifest:
    """Put a copy back where it was taken; what lies there now is moved aside.

    The node must not run, which is the caller's to see.

    Raises:
        Refused: the copy is not what its manifest says; nothing was touched then.
        BadInput: no copy lies there.

    """
    manifest = manifest_of(place)
    _verify(place, manifest)
    for name, belongs in manifest.belongs.items():
        target, source = Path(belongs), place / name
        aside(target)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        elif source.exists():
            shutil.copy2(source, target)
    return manifest


def manifest_of(place: Path) -> Manifest:
    """What the copy says that it is; BadInput where none lies."""
    try:
        return Manifest.model_validate(json.loads((place / MANIFEST).read_text()))
    except (OSError, ValueError, ValidationError) as failure:
        seen = f"{MANIFEST}: {type(failure).__name__}"
        raise BadInput("reading a copy", node=str(place), seen=seen, todo="give the directory of a copy") from None


def _verify(place: Path, manifest: Manifest) -> None:
    wrong = [one.path for one in manifest.files if _sha256(place / one.path) != one.sha256]
    if wrong:
        seen = f"{len(wrong)} of {len(manifest.files)} files are not what the manifest says, such as {wrong[0]}"
        raise Refused("restoring a copy", node=manifest.node, seen=seen, todo="take another copy; nothing was touched")


def _parts(source: Source) -> Iterator[tuple[Path, Path]]:
    """Each file, and where it lies in the copy."""
    for name, path in source.paths.items():
        for one in _files(path):
            yield one, Path(name) / one.relative_to(path) if path.is_dir() else Path(name)


def _files(path: Path) -> Iterator[Path]:
    """Regular files; sockets and pipes of a process that has ended are none of its data."""
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(one for one in path.rglob("*") if one.is_file() and not one.is_symlink())


def _copied_file(source: Path, target: Path, name: str) -> CopiedFile:
    own_directory(target.parent)
    digest, size = hashlib.sha256(), 0
    with (
        source.open("rb") as reading,
        open(target, "xb", opener=lambda path, flags: os.open(path, flags, PRIVATE_FILE)) as writing,
    ):
        while chunk := reading.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
    return CopiedFile(path=name, size=size, sha256=digest.hexdigest())


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
