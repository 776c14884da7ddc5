"""The copy of a node whose files are on another machine: one tar archive, which a command of the owner's prints and another one takes back.

The rule: as of every copy: whole or not there, never written over, and nothing is put back that is not what the manifest says.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from components.emqx.errors import Refused
from components.keepers.base import Copied
from components.keepers.copies import MANIFEST, CopiedFile, Manifest, copied
from components.system.files import own_directory, replace

ARCHIVE = "node.tar"
_CHUNK = 1 << 20


async def keep(place: Path, manifest: Manifest, printed: Callable[[Path], Awaitable[None]]) -> Copied:
    """Keep what ``printed`` writes into the file that it is given; a copy that lies there already is answered as it is.

    Raises:
        Refused: it is no archive of files. OSError: there is no room for it; nothing of it is left then.

    """
    if (before := copied(place)) is not None:
        return before
    draft = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        own_directory(draft)
        await printed(draft / ARCHIVE)
        files = _members(draft / ARCHIVE)
        if not files:
            todo = "let the command print a tar archive with the node's data and configuration, such as tar -cf - DIRECTORY"
            size = (draft / ARCHIVE).stat().st_size
            raise Refused(
                f"copying {manifest.node}",
                node=manifest.node,
                seen=f"{size} bytes that are no archive of files",
                todo=todo,
            )
        replace(draft / MANIFEST, manifest.model_copy(update={"files": files}).model_dump_json(indent=1))
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Copied(place, len(files), sum(one.size for one in files))


def verified(place: Path, manifest: Manifest) -> Path:
    """The archive, which is what the manifest says.

    Raises:
        Refused: it is not; nothing was touched.

    """
    found = {one.path: one.sha256 for one in _members(place / ARCHIVE)}
    wrong = sorted(one.path for one in manifest.files if found.get(one.path) != one.sha256)
    if wrong or len(found) != len(manifest.files):
        seen = f"{len(wrong)} of {len(manifest.files)} files are not what the manifest says{', such as ' + wrong[0] if wrong else ''}"
        raise Refused("restoring a copy", node=manifest.node, seen=seen, todo="take another copy; nothing was touched")
    return place / ARCHIVE


def _members(archive: Path) -> tuple[CopiedFile, ...]:
    """Its regular files; none of what is no whole archive."""
    found: list[CopiedFile] = []
    try:
        with tarfile.open(archive, "r:*") as packed:
            for one in packed:
                stream = packed.extractfile(one) if one.isfile() else None
                if stream is not None:
                    digest = hashlib.sha256()
                    while chunk := stream.read(_CHUNK):
                        digest.update(chunk)
                    found.append(CopiedFile(path=one.name, size=one.size, sha256=digest.hexdigest()))
    except (tarfile.TarError, EOFError, OSError):
        return ()
    return tuple(found)
