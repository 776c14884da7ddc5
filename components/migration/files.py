"""The files that a person gave: which of a directory's are read, and how; one that cannot be read is named, never passed over."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from components.migration.kinds import NODE_FILES
from components.migration.manifest import BadSource

MOST_BYTES = 1 << 30
"""Of one file; the export of 100,000 users and 100,000 rules has 32 MB."""
ARCHIVES = (".tar.gz", ".tgz")
OURS = ("manifest.json", "requests.json")
"""What ``convert`` writes beside the files that a node gets: in a directory they are no export."""


def below(directory: Path) -> tuple[list[Path], list[Path]]:
    """What is read from a directory, and what is not: linked directories too; of a file with several names the shortest.

    Raises:
        OSError: a directory below it that cannot be read.

    """
    names: dict[str, Path] = {}
    # A link to what the directory lies in would lead out of it, up to the whole disk.
    entered = {os.path.realpath(directory), *map(str, Path(os.path.realpath(directory)).parents)}
    for root, directories, files in os.walk(directory, onerror=_refuse, followlinks=True):
        real = {name: os.path.realpath(Path(root, name)) for name in directories}
        directories[:] = [name for name in directories if real[name] not in entered]
        entered.update(real.values())
        for file in (Path(root, name) for name in files):
            first = names.setdefault(os.path.realpath(file), file)
            names[os.path.realpath(file)] = min(first, file, key=_rank)
    found = sorted(names.values())
    return [file for file in found if _is_read(file)], [file for file in found if not _is_read(file)]


def _rank(file: Path) -> tuple[bool, int, Path]:
    """A name that is read comes before one that is not, and a short one before a long one."""
    return not _is_read(file), len(file.parts), file


def _refuse(error: OSError) -> None:
    raise error


def _is_read(file: Path) -> bool:
    """Settings, exports and archives; not certificates, tables or logs."""
    name = file.name.lower()
    if name in OURS:
        return False
    return name.endswith((".conf", ".hocon", ".json", ".json.gz", *ARCHIVES)) or file.name in NODE_FILES


def read(file: Path) -> bytes:
    """A file's bytes; a pipe or a device would never end.

    Raises:
        BadSource: it is no regular file, or a larger one than could be converted.
        OSError: it is not there or cannot be read.

    """
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):
        raise BadSource(str(file), "", "no regular file (a pipe, a device or a socket)", "name the file itself")
    if found.st_size > MOST_BYTES:
        raise BadSource(str(file), "", f"more than {MOST_BYTES >> 30} GiB", "give the export or archive itself")
    return file.read_bytes()
